//! Memory on huge pages, and the only unsafe code of the workspace.
//!
//! Argon2 reads blocks from all over its matrix. On pages of 4 KiB most of these reads miss the TLB, which is
//! some tenth of a hash; 19 MiB on pages of 2 MiB are ten entries of it.
//!
//! Linux gives huge pages to whoever asks by `madvise` (or to all, or to none:
//! `/sys/kernel/mm/transparent_hugepage/enabled`), where the memory is aligned to 2 MiB. What it does not
//! give is plain memory, and nothing but time is lost.

use std::io;
#[cfg(target_os = "linux")]
use std::ops::Range;

use argon2::Block;
#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::MmapMut;

/// Bytes of a huge page of `x86_64` and of `aarch64` with base pages of 4 KiB.
const HUGE_PAGE: usize = 2 << 20;

/// Zeroed blocks, mapped for themselves: given back to the system when dropped, and never the allocator's to
/// keep.
pub(super) struct Blocks {
    map: Option<MmapMut>,
    /// Where the first block is in the map.
    offset: usize,
    count: usize,
}

impl Blocks {
    pub(super) const NONE: Self = Self { map: None, offset: 0, count: 0 };

    /// # Errors
    /// The system has not so much memory.
    pub(super) fn zeroed(count: usize) -> io::Result<Self> {
        let too_many = || io::Error::from(io::ErrorKind::OutOfMemory);
        let bytes = count.checked_mul(size_of::<Block>()).ok_or_else(too_many)?;
        let huge = bytes >= HUGE_PAGE;
        let alignment = if huge { HUGE_PAGE } else { align_of::<Block>() };
        // One more than is needed: not every kernel aligns what it maps, and what is never written is no
        // memory but addresses.
        let whole = bytes.checked_next_multiple_of(alignment).ok_or_else(too_many)?;
        let map = MmapMut::map_anon(whole.checked_add(alignment).ok_or_else(too_many)?)?;
        let offset = map.as_ptr().align_offset(alignment);
        #[cfg(target_os = "linux")]
        advise(&map, huge.then_some(offset..offset + whole));
        Ok(Self { map: Some(map), offset, count })
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [Block] {
        const { assert!(size_of::<Block>() == Block::SIZE) };
        let bytes = match &mut self.map {
            Some(map) => &mut map[self.offset..][..self.count * size_of::<Block>()],
            None => &mut [],
        };
        #[expect(unsafe_code, reason = "the crate `argon2` takes blocks, and a map is of bytes")]
        // SAFETY: a `Block` is 128 words of 64 bits (its documentation) and, by the assertion above, nothing
        // besides. So there is no padding, all bytes make valid blocks, and all blocks leave valid bytes.
        // Both borrow `self.map` for themselves.
        let (before, blocks, after) = unsafe { bytes.align_to_mut::<Block>() };
        debug_assert!(before.is_empty() && after.is_empty(), "a map begins and ends with a page");
        blocks
    }
}

/// A system that will not is no error: the memory is as good without.
#[cfg(target_os = "linux")]
fn advise(map: &MmapMut, huge_pages: Option<Range<usize>>) {
    if let Some(range) = huge_pages {
        let _plain_memory = map.advise_range(Advice::HugePage, range.start, range.len());
    }
    // What a password leaves here has no business in a core dump.
    let _dumped = map.advise(Advice::DontDump);
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS_OF_A_PAGE: usize = HUGE_PAGE / Block::SIZE;

    #[test]
    fn blocks_are_zero_and_begin_with_a_huge_page() {
        for count in [BLOCKS_OF_A_PAGE, BLOCKS_OF_A_PAGE + 1, 19_456] {
            let mut blocks = Blocks::zeroed(count).unwrap();
            let slice = blocks.as_mut_slice();
            assert_eq!(slice.len(), count);
            assert_eq!(slice.as_ptr().align_offset(HUGE_PAGE), 0);
            assert!(slice.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
            slice.last_mut().unwrap().as_mut().fill(u64::MAX);
        }
    }

    #[test]
    fn a_few_blocks_take_no_huge_page() {
        let mut blocks = Blocks::zeroed(3).unwrap();
        assert!(blocks.map.as_ref().unwrap().len() < HUGE_PAGE);
        assert_eq!(blocks.as_mut_slice().len(), 3);
    }

    #[test]
    fn no_blocks_are_an_empty_slice() {
        let mut none = Blocks::NONE;
        assert!(none.as_mut_slice().is_empty());
        assert!(Blocks::zeroed(0).unwrap().as_mut_slice().is_empty());
    }

    #[test]
    fn more_than_the_system_has_is_an_error() {
        for count in [usize::MAX, usize::MAX / Block::SIZE, usize::MAX / Block::SIZE - 4096] {
            assert!(Blocks::zeroed(count).is_err(), "{count}");
        }
    }

    /// By the flags that the kernel shows (`proc_pid_smaps(5)`): whether it gives huge pages is its affair.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_is_asked_for_huge_pages_and_to_keep_them_out_of_core_dumps() {
        if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            println!("skipped: this kernel has no transparent huge pages");
            return;
        }
        let mut blocks = Blocks::zeroed(19_456).unwrap();
        let address = blocks.as_mut_slice().as_ptr().addr();
        let flags = flags_of_the_mapping_at(address);
        assert!(flags.contains(&"hg".to_owned()), "{flags:?}");
        assert!(flags.contains(&"dd".to_owned()), "{flags:?}");
    }

    #[cfg(target_os = "linux")]
    fn flags_of_the_mapping_at(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut within = false;
        for line in maps.lines() {
            if let Some(range) = line.split(' ').next().and_then(|range| range.split_once('-')) {
                let ends = [range.0, range.1].map(|end| usize::from_str_radix(end, 16).unwrap());
                within = (ends[0]..ends[1]).contains(&address);
            } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| within) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        panic!("no mapping at {address:x}");
    }
}
