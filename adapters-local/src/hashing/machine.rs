//! What safe Rust cannot ask of a machine: memory on huge pages, and registers that not every processor has. The only
//! unsafe code of the workspace.
//!
//! **Huge pages.** Argon2 reads blocks from all over its matrix. On pages of 4 KiB most of these reads miss the TLB; 19 MiB
//! on pages of 2 MiB are ten entries of it. Linux gives huge pages to whoever asks by `madvise` (or to all, or to none:
//! `/sys/kernel/mm/transparent_hugepage/enabled`), where the memory is aligned to 2 MiB. What it does not give is plain
//! memory, and nothing but time is lost.
//!
//! **Registers.** A function may be compiled for a processor with AVX2 or AVX-512 in a program for all processors, and is
//! called where the processor says at run time that it has them.

use std::io;
#[cfg(target_os = "linux")]
use std::ops::Range;

use argon2::Block;
#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::MmapMut;

#[cfg(target_arch = "x86_64")]
use super::wide;

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

/// Registers that Argon2 is faster by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vectors {
    /// Of 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2(Proof),
    /// Of 512, with the instructions that came with them (`x86-64-v4` but for those that nothing here needs).
    #[cfg(target_arch = "x86_64")]
    Avx512(Proof),
}

/// That the processor was asked.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof(());

impl Vectors {
    /// The widest that this processor has.
    pub(super) fn detect() -> Option<Self> {
        Self::all().into_iter().next()
    }

    /// All that it has, the widest first.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn all() -> impl IntoIterator<Item = Self> {
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let avx2 = is_x86_feature_detected!("avx2");
        let proof = Proof(());
        let widest = avx512.then_some(Self::Avx512(proof));
        widest.into_iter().chain(avx2.then_some(Self::Avx2(proof)))
    }

    /// None that is used.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn all() -> impl IntoIterator<Item = Self> {
        None
    }
}

/// [`wide::fill`], compiled for these registers.
pub(super) fn fill(vectors: Vectors, lane: &mut [Block], passes: u32) {
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "the compiler does not know what processor it will run on")]
    match vectors {
        // SAFETY: only `Vectors::all` makes a `Proof`, after the processor said that it has AVX2.
        Vectors::Avx2(Proof(())) => unsafe { fill_by_avx2(lane, passes) },
        // SAFETY: and here that it has all four parts of AVX-512 which are named there.
        Vectors::Avx512(Proof(())) => unsafe { fill_by_avx512(lane, passes) },
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _nothing_to_fill = (lane, passes);
        match vectors {}
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn fill_by_avx2(lane: &mut [Block], passes: u32) {
    wide::fill(lane, passes);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn fill_by_avx512(lane: &mut [Block], passes: u32) {
    wide::fill(lane, passes);
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
