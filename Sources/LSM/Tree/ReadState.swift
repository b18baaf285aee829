/// All that a read looks at, at one moment. Whoever holds it can go on reading that state.
///
/// Thread-safety: immutable; the memtable takes newer changes meanwhile, which a reader tells by their
/// sequence numbers.
final class ReadState: Sendable {
  let memtable: Memtable
  /// Full memtables whose flush is not installed yet, newest first.
  let immutables: [Memtable]
  let version: Version

  init(memtable: Memtable, immutables: [Memtable], version: Version) {
    self.memtable = memtable
    self.immutables = immutables
    self.version = version
  }
}

/// A full memtable.
struct ImmutableMemtable: Sendable {
  let memtable: Memtable
  /// The log that holds its records.
  let log: FileNumber
  /// Of its last change.
  let lastSequence: SequenceNumber
}
