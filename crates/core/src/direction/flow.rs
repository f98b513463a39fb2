//! Whether a direction is bulk, which is worth a pipe, or messages, which are not: a splice is two
//! calls and a hand-over of pages, and for a small message costs more than the copy it saves.

use crate::limits::BLOCK;
use crate::spec::Splice;

/// So many more copied reads that filled the whole buffer than others make a direction bulk.
const FULL_READS: u8 = 4;
/// So many more splices of less than a copied read's worth than others make it messages again.
const SMALL_SPLICES: u8 = 8;

/// What a direction's last reads say of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    bulk: bool,
    /// By how many the reads that speak for the other way to move are ahead.
    lead: u8,
    /// The kernel does not splice between these two.
    refused: bool,
}

impl Flow {
    /// Messages, until reads say otherwise.
    pub(crate) const FRESH: Self = Self { bulk: false, lead: 0, refused: false };

    /// Whether the next read is to be a splice.
    pub(crate) fn splices(self, policy: Splice) -> bool {
        let wanted = match policy {
            Splice::Off => false,
            Splice::Auto => self.bulk,
            Splice::Always => true,
        };
        wanted && !self.refused
    }

    /// Whether reads say that this is bulk.
    pub(crate) fn is_bulk(self) -> bool {
        self.bulk
    }

    /// A copied read gave so many bytes.
    pub(crate) fn copied(&mut self, bytes: usize) {
        if !self.bulk && bytes > 0 {
            self.lean(bytes == BLOCK, FULL_READS);
        }
    }

    /// A splice gave so many bytes.
    pub(crate) fn spliced(&mut self, bytes: usize) {
        if self.bulk {
            self.lean(bytes < BLOCK, SMALL_SPLICES);
        }
    }

    /// The kernel refused to splice.
    pub(crate) fn refuse(&mut self) {
        self.refused = true;
    }

    fn lean(&mut self, other_way: bool, enough: u8) {
        self.lead = if other_way { self.lead + 1 } else { self.lead.saturating_sub(1) };
        if self.lead == enough {
            *self = Self { bulk: !self.bulk, lead: 0, ..*self };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(reads: impl IntoIterator<Item = usize>) -> Flow {
        let mut flow = Flow::FRESH;
        for bytes in reads {
            if flow.splices(Splice::Auto) { flow.spliced(bytes) } else { flow.copied(bytes) }
        }
        flow
    }

    // Goal: bulk goes over to splice, and comes back when it turns small. Method: reads in a row.
    #[test]
    fn both_ways() {
        assert!(!after([BLOCK; 3]).splices(Splice::Auto));
        assert!(after([BLOCK; 4]).splices(Splice::Auto));
        assert!(after([BLOCK; 4].into_iter().chain([100; 7])).splices(Splice::Auto));
        assert!(!after([BLOCK; 4].into_iter().chain([100; 8])).splices(Splice::Auto));
    }

    // Goal: an even mixture stays what it was, and bulk in bursts with a small end each becomes bulk.
    // Method: every second read is small; every fourth.
    #[test]
    fn mixtures() {
        let every = |nth| (1..300).map(move |read| if read % nth == 0 { 100 } else { BLOCK });
        assert!(!after(every(2)).splices(Splice::Auto));
        assert!(after([BLOCK; 4].into_iter().chain(every(2))).splices(Splice::Auto));
        assert!(after(every(4)).splices(Splice::Auto));
    }

    // Goal: the other policies hold, and a refusal ends both. Method: the three of them.
    #[test]
    fn policies() {
        let mut flow = after([BLOCK; 4]);
        assert!(!flow.splices(Splice::Off) && Flow::FRESH.splices(Splice::Always));
        flow.refuse();
        assert!(!flow.splices(Splice::Auto) && !flow.splices(Splice::Always));
    }
}
