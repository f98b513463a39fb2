//! Faults of the machine: what a kernel may do at any moment and seldom does.

use ringbolt_script::Dice;

/// How often each comes, in 256ths of the occasions.
#[derive(Debug)]
pub struct Faults {
    /// Less is received, sent or spliced than could be.
    pub short: u8,
    /// Memory for sockets is short: a send is refused although there is room.
    pub memory: u8,
    /// No descriptor is left, in the process or in the system, or no memory for what it would name.
    pub descriptors: u8,
    /// A pipe is full by its slots, long before its bytes.
    pub slots: u8,
    /// An operation that is cancelled has had its result already.
    pub late: u8,
    dice: Dice,
}

impl Default for Faults {
    /// None.
    fn default() -> Self {
        Self { short: 0, memory: 0, descriptors: 0, slots: 0, late: 0, dice: Dice::new(0) }
    }
}

impl Faults {
    /// A mix of them. Some are left out: what is possible all the time hides what needs its absence
    /// (Groce and others, "Swarm testing", 2012).
    pub fn some(dice: &mut Dice) -> Self {
        let mut often = || if dice.throw(2) == 0 { 0 } else { 1 << dice.throw(7) };
        let [short, memory, descriptors, slots, late] = [(); 5].map(|()| often());
        let seed = dice.throw(usize::MAX) as u64;
        Self { short, memory, descriptors, slots, late, dice: Dice::new(seed) }
    }

    /// Whether one that comes so often comes now.
    pub(super) fn strikes(&mut self, often: u8) -> bool {
        often > 0 && self.dice.throw(256) < usize::from(often)
    }

    /// How much of `all` is moved at once.
    pub(super) fn part_of(&mut self, all: usize) -> usize {
        if all > 1 && self.strikes(self.short) { 1 + self.dice.throw(all - 1) } else { all }
    }

    /// How much of `all` a pipe has slots for.
    pub(super) fn slots_for(&mut self, all: usize) -> usize {
        if all > 1 && self.strikes(self.slots) { 1 + self.dice.throw(all.min(64)) } else { all }
    }

    /// What a want is told as.
    pub(super) fn one_of<T: Copy>(&mut self, ways: &[T]) -> T {
        self.dice.pick(ways)
    }
}
