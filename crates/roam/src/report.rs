//! The report: what a run found, as files that stand by themselves.

#[cfg(test)]
mod browser;
mod costs;
mod drawing;
mod lanes;
mod law;
mod matrix;
mod method;
pub(crate) mod outcomes;
mod page;
#[cfg(test)]
pub(crate) mod sample;
mod skew;
mod table;

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context;

use crate::results::Results;

/// What the page is made from, and can be made from again.
const JSON: &str = "report.json";
/// The life of one client.
const PICTURE: &str = "one-client.svg";

/// Writes the report into `folder`, which is made if need be: the page, the same as JSON and CSV,
/// and the life of one client as a picture. Gives the files, the page first.
///
/// # Errors
/// A file that cannot be written, with its name.
pub(crate) fn write(results: &Results, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let at = |error: io::Error, place: &Path| {
        io::Error::new(error.kind(), format!("{}: {error}", place.display()))
    };
    fs::create_dir_all(folder).map_err(|error| at(error, folder))?;
    let mut files = vec![
        ("report.html", page::page(results).into_string()),
        (JSON, serde_json::to_string_pretty(results)? + "\n"),
        ("report.csv", table::csv(results)?),
    ];
    match lanes::telling(results) {
        Some(lane) => files.push((PICTURE, lanes::picture(results, lane).into_string())),
        // One of an earlier run would be taken for this one's.
        None => match fs::remove_file(folder.join(PICTURE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error, folder)),
            Ok(()) | Err(_) => {}
        },
    }
    let write = |(name, text): (&str, String)| {
        let place = folder.join(name);
        fs::write(&place, text).map_err(|error| at(error, &place))?;
        Ok(place)
    };
    files.into_iter().map(write).collect()
}

/// Makes the folder of a report if need be, and finds out whether files can be written there.
///
/// # Errors
/// That they cannot.
pub(crate) fn writable(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    tempfile::tempfile_in(folder).map(drop)
}

/// Writes the report anew from the JSON in `folder`: the page of an old run in its new form.
///
/// # Errors
/// JSON that is missing or no report, with its place and what to do; else as [`write`].
pub(crate) fn again(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let place = folder.join(JSON);
    let name = place.display();
    let mend = format!("`roam all --report {}` makes one", folder.display());
    let text = fs::read_to_string(&place).with_context(|| format!("{name} is needed; {mend}"))?;
    let results = serde_json::from_str(&text)
        .with_context(|| format!("{name} is no report of this version; {mend}"))?;
    Ok(write(&results, folder)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_written_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made/for/it");
        let files = write(&sample::results(), &folder).unwrap();
        let names = files.iter().map(|place| place.file_name().unwrap().to_str().unwrap());
        let names: Vec<&str> = names.collect();
        assert_eq!(names, ["report.html", "report.json", "report.csv", "one-client.svg"]);

        let before: Vec<String> =
            files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        let json = folder.join(JSON);
        assert_eq!(
            serde_json::from_str::<Results>(&fs::read_to_string(&json).unwrap()).unwrap(),
            sample::results()
        );
        for file in files.iter().filter(|file| **file != json) {
            fs::remove_file(file).unwrap();
        }
        assert_eq!(again(&folder).unwrap(), files);
        let after: Vec<String> =
            files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        assert_eq!(before, after);

        let without = Results { lanes: Vec::new(), ..sample::results() };
        write(&without, &folder).unwrap();
        assert!(!folder.join(PICTURE).exists(), "a picture of another run");
    }

    /// Goal: what is shown in the repository is what a run found, in today's form. Method: its JSON once
    /// more; `roam report crates/roam/report-sample` mends a difference.
    #[test]
    fn the_sample_is_made_of_its_json() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("report-sample");
        let text = fs::read_to_string(sample.join(JSON)).unwrap();
        let results: Results = serde_json::from_str(&text).unwrap();
        assert!(results.skipped.is_empty() && results.differences().is_empty());
        let folder = tempfile::tempdir().unwrap();
        let files = write(&results, folder.path()).unwrap();
        assert_eq!(files.len(), 4);
        for file in files {
            let name = file.file_name().unwrap();
            let [made, kept] =
                [&file, &sample.join(name)].map(|it| fs::read_to_string(it).unwrap());
            assert!(made == kept, "{} is not of today's form", name.display());
        }
    }

    #[test]
    fn what_is_no_report_is_told_with_its_place_and_the_mend() {
        let folder = tempfile::tempdir().unwrap();
        let missing = format!("{:#}", again(folder.path()).unwrap_err());
        assert!(missing.contains(JSON) && missing.contains("roam all --report"), "{missing}");

        fs::write(folder.path().join(JSON), "{\n  \"seed\": \"seven\"\n}").unwrap();
        let wrong = format!("{:#}", again(folder.path()).unwrap_err());
        assert!(wrong.contains("line 2") && wrong.contains("roam all --report"), "{wrong}");

        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = write(&sample::results(), &file).unwrap_err().to_string();
        assert!(error.contains(file.to_str().unwrap()), "{error}");
    }
}
