import Glibc

/// The process's limit of address space (RLIMIT_AS, `ulimit -v`).
///
/// Few set it, and what is over it ends the process without a word: threads and memory of the engines cannot be
/// refused. So a server does not start below what it can be expected to take.
enum AddressSpaceLimit {
  /// The program, stacks and heaps of its threads, and the storage library, in bytes.
  private static let baseBytes: UInt64 = 1 << 30
  /// Stack and heap of an event loop and of the storage thread beside it, in bytes.
  private static let loopBytes: UInt64 = 64 << 20

  /// - Throws: when a server of this configuration may not fit.
  static func check(_ configuration: ServerConfiguration) throws(ServerError) {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
      limit.rlim_cur != rlim_t.max
    else { return }
    let sizes = UInt64(configuration.cacheSizeBytes + 4 * configuration.memtableSizeBytes)
    let needed = baseBytes + UInt64(configuration.eventLoops) * loopBytes + sizes
    guard UInt64(limit.rlim_cur) >= needed else {
      throw .tooLittleAddressSpace(limitBytes: UInt64(limit.rlim_cur), neededBytes: needed)
    }
  }
}
