import Glibc

// SAFETY: a limit is lent to a system call until that returns.

/// The process's limit of address space (RLIMIT_AS, `ulimit -v`).
///
/// Few set it, and what is over it ends the process without a word: threads and memory of the engines cannot be
/// refused. So a server does not start below what it can be expected to take.
package enum AddressSpaceLimit {
  /// The program, stacks and heaps of its threads, and the storage library, in bytes: what any command needs.
  package static let commandMinimumBytes: UInt64 = 1 << 30
  /// Stacks and heaps of an event loop and of the seven threads for reads that a core has beside it, in bytes.
  private static let loopBytes: UInt64 = 128 << 20

  /// The limit in bytes; nil when there is none, or the system does not say.
  package static func current() -> UInt64? {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
      limit.rlim_cur != rlim_t.max
    else { return nil }
    return UInt64(limit.rlim_cur)
  }

  /// - Throws: when a server of this configuration may not fit.
  static func check(_ configuration: ServerConfiguration) throws(ServerError) {
    guard let limit = current() else { return }
    let needed = neededBytes(configuration)
    guard limit >= needed else {
      throw .tooLittleAddressSpace(limitBytes: limit, neededBytes: needed)
    }
  }

  /// What a server of this configuration can be expected to take.
  static func neededBytes(_ configuration: ServerConfiguration) -> UInt64 {
    let sizes = UInt64(configuration.cacheSizeBytes + 4 * configuration.memtableSizeBytes)
    return commandMinimumBytes + UInt64(configuration.eventLoops) * loopBytes + sizes
  }
}
