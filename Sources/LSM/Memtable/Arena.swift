import Glibc
import Synchronization

/// A run of memory that is only ever appended to and never moves.
///
/// The address space is reserved at once; the kernel gives pages as they are first written, so an
/// arena costs what is used of it, rounded up to 2 MiB where transparent huge pages are on.
///
/// Thread-safety: one thread allocates; any thread reads what it was handed after a release/acquire
/// pair (``SkipList``'s links), and ``usedBytes`` at any time.
///
/// Unsafe island: owns one `mmap`. Invariants:
/// 1. `base` points to `capacity` mapped bytes until deinit, zero where never written.
/// 2. `used <= capacity`; bytes below `used` are handed out once each.
@safe
final class Arena: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let capacity: Int
  private let mappedBytes: Int
  private let mapping: UnsafeMutableRawPointer
  private let used = Atomic<Int>(0)

  static let alignment = 8
  private static let hugePageBytes = 2 << 20

  /// - Precondition: `capacity > 0`.
  init(capacity: Int) {
    precondition(capacity > 0)
    let mappedBytes = capacity + Self.hugePageBytes
    // SAFETY: a fresh private mapping, checked for failure, which is out of memory as for any Swift
    // allocation. NORESERVE: what is not used must not count against the machine.
    let mapping = unsafe mmap(
      nil, mappedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
      fatalError("out of memory: \(capacity) bytes of memtable")
    }
    unsafe self.mapping = mapping
    self.mappedBytes = mappedBytes
    self.capacity = capacity
    unsafe base = mapping.alignedUp(toMultipleOf: Self.hugePageBytes)
    // A hint: random reads of a memtable miss the TLB at almost every node with small pages.
    // One smaller than such a page would only pay for its zeros.
    if capacity >= Self.hugePageBytes { unsafe madvise(base, capacity, MADV_HUGEPAGE) }
  }

  deinit { unsafe munmap(mapping, mappedBytes) }

  var usedBytes: Int { used.load(ordering: .relaxed) }

  /// Whether `bytes` more can be allocated.
  func hasRoom(_ bytes: Int) -> Bool { bytes <= capacity - usedBytes }

  /// Hands out `bytes` (rounded up to a multiple of 8), aligned to 8, and tells their offset from
  /// `base`.
  /// - Precondition: `hasRoom(bytes)`.
  func allocate(_ bytes: Int) -> Int {
    let start = used.load(ordering: .relaxed)
    let end = start + ((bytes + Self.alignment - 1) & ~(Self.alignment - 1))
    precondition(end <= capacity, "the arena is full")
    used.store(end, ordering: .relaxed)
    return start
  }
}
