use std::io;

use argon2::Block;
use zeroize::Zeroize;

use super::machine::Blocks;

/// The memory that one thread hashes in, kept from job to job.
///
/// Fresh memory for each hash costs a page fault for every 4 KiB of it, and an allocator that keeps
/// what was freed holds one matrix for each hash that was ever under way at once.
///
/// What a hash leaves in here gives an attacker a far cheaper test of guesses than the hash does, and
/// `argon2` does not wipe it. So:
/// - between two jobs the arena holds what the last of them wrote and nothing older;
/// - an idle arena is all zero ([`Arena::wipe`], called when no job waits);
/// - memory is wiped before it goes back to the system.
pub(super) struct Arena {
    blocks: Blocks,
    /// How many blocks outlive a job.
    kept: usize,
    /// The job under way wrote to none but this many first blocks.
    touched: usize,
    /// No others than this many first blocks can be other than zero.
    dirty: usize,
}

impl Arena {
    /// An arena that keeps `kept` blocks (1 KiB each) between jobs; none is allocated yet.
    pub(super) const fn new(kept: usize) -> Self {
        Self { blocks: Blocks::NONE, kept, touched: 0, dirty: 0 }
    }

    /// The first `count` blocks, holding whatever earlier work left. More than are kept between jobs
    /// are mapped for this job only.
    pub(super) fn blocks(&mut self, count: usize) -> io::Result<&mut [Block]> {
        if self.blocks.count() < count {
            self.grow(count.max(self.kept))?;
        }
        self.touched = self.touched.max(count);
        self.dirty = self.dirty.max(count);
        Ok(&mut self.blocks.as_mut_slice()[..count])
    }

    fn grow(&mut self, count: usize) -> io::Result<()> {
        // Freed first: the two are never held at once.
        self.free();
        self.blocks = Blocks::zeroed(count)?;
        Ok(())
    }

    /// To be called after each job: forgets what older jobs wrote, and gives back what is not kept.
    pub(super) fn end_job(&mut self) {
        if self.blocks.count() > self.kept {
            self.free();
        }
        self.blocks.as_mut_slice()[self.touched..self.dirty].iter_mut().zeroize();
        self.dirty = self.touched;
        self.touched = 0;
    }

    pub(super) const fn is_wiped(&self) -> bool {
        self.dirty == 0
    }

    /// Writes zero over all that jobs have written.
    pub(super) fn wipe(&mut self) {
        self.blocks.as_mut_slice()[..self.dirty].iter_mut().zeroize();
        self.dirty = 0;
        self.touched = 0;
    }

    fn free(&mut self) {
        self.wipe();
        self.blocks = Blocks::NONE;
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
impl Arena {
    pub(super) const fn allocated(&self) -> usize {
        self.blocks.count()
    }

    pub(super) fn is_zero(&mut self) -> bool {
        self.nonzero_blocks() == 0
    }

    pub(super) const fn blocks_to_wipe(&self) -> usize {
        self.dirty
    }

    fn nonzero_blocks(&mut self) -> usize {
        let is_nonzero = |block: &&mut Block| block.as_ref().iter().any(|word| *word != 0);
        self.blocks.as_mut_slice().iter_mut().filter(is_nonzero).count()
    }

    pub(super) fn scribble(&mut self, count: usize) {
        for block in self.blocks(count).unwrap() {
            block.as_mut().fill(u64::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allocated_before_the_first_job() {
        assert_eq!(Arena::new(8).allocated(), 0);
    }

    #[test]
    fn wiping_reaches_every_block_that_was_written() {
        let mut arena = Arena::new(8);
        arena.scribble(8);
        arena.end_job();
        assert!(!arena.is_zero());
        arena.wipe();
        assert!(arena.is_zero() && arena.is_wiped());
    }

    #[test]
    fn a_smaller_job_leaves_nothing_of_a_larger_one_before_it() {
        let mut arena = Arena::new(8);
        arena.scribble(8);
        arena.end_job();
        arena.scribble(3);
        arena.end_job();
        assert_eq!(arena.nonzero_blocks(), 3);
        arena.wipe();
        assert!(arena.is_zero());
    }

    #[test]
    fn a_job_that_uses_none_forgets_the_one_before_it() {
        let mut arena = Arena::new(8);
        arena.scribble(8);
        arena.end_job();
        arena.end_job();
        assert!(arena.is_zero() && arena.is_wiped());
    }

    #[test]
    fn what_one_job_took_beyond_what_is_kept_ends_with_it() {
        let mut arena = Arena::new(8);
        arena.scribble(20);
        assert_eq!(arena.allocated(), 20);
        arena.end_job();
        assert_eq!(arena.allocated(), 0);
        arena.scribble(5);
        assert_eq!(arena.allocated(), 8);
    }

    #[test]
    fn an_arena_that_could_not_grow_works_on() {
        let mut arena = Arena::new(8);
        arena.scribble(8);
        assert!(arena.blocks(usize::MAX / 2).is_err());
        arena.end_job();
        assert!(arena.is_wiped());
        arena.scribble(8);
        assert_eq!(arena.nonzero_blocks(), 8);
    }
}
