//! Shows why stickiness by address breaks when the address changes, how often, and what helps.

#![forbid(unsafe_code)]

mod report;
mod results;

fn main() {
    for file in report::again(std::path::Path::new(&std::env::args().nth(2).unwrap())).unwrap() {
        println!("{}", file.display());
    }
}
