package import Bytes

/// What a call asks for.
package enum Operation: Int, CaseIterable, Sendable {
  /// The record of one key.
  case get
  /// Stores one record.
  case put
  /// Stores ``CallSizes/batchPut`` records with neighbouring keys, all or none.
  case batchPut
  /// The ``CallSizes/rangeGet`` records of a range of keys.
  case rangeGet
  /// The last ``CallSizes/page`` records up to a key, in descending order, and where the next page begins.
  case page
  /// The records of ``CallSizes/in`` keys.
  case `in`
  /// How many records a range of keys has, which are ``CallSizes/count``.
  case count
  /// The ``CallSizes/stream`` records of a range of keys, in as many messages as it takes.
  case stream
  /// Removes the record of one key.
  case delete
  /// The record with one chip, by a unique index.
  case uniqueGet
  /// The ``CallSizes/rangeGet`` records of one breed, by an index.
  case indexGet
  /// Stores one record if it has the etag that the last write gave it.
  case write
  /// Replaces the age and the breed of one record.
  case update
  /// Stores two records, in one transaction: the one, and the one half of all records after it.
  case transact
}

/// A place for one call of a connection: its request, and its answer as it comes.
package struct CallSlot: ~Copyable {
  package var operation = Operation.get
  /// The record, or the first of several in the answer's order.
  package var index = 0
  /// The records of an `in`, in the request's order.
  package var indexes: [Int] = []
  /// The generation of a record that is stored (``RecordGroups/generations``).
  package var generation: UInt8 = 1
  /// That of the record, as far as it is known.
  package var etag: KnownEtag?
  /// Of the monotonic clock, in nanoseconds: when the call began, or when it should have begun.
  package var startedAt: UInt64 = 0

  /// The request's bytes as the session sends them.
  package var request = ByteWriter(capacity: 256)
  package var sentCount = 0
  /// The answer's bytes.
  package var response = ByteWriter(capacity: 256)
  package var outcome = Outcome.pending

  package init() {}

  /// 16 letters.
  package struct KnownEtag: Equatable, Sendable {
    package var letters: (UInt64, UInt64)

    package static func == (one: KnownEtag, other: KnownEtag) -> Bool {
      one.letters == other.letters
    }
  }

  package enum Outcome: Equatable {
    case pending
    case ok
    /// The server's own word for it.
    case failed(String)
  }
}

/// The slots of a connection, at addresses that do not change.
///
/// Unsafe island. Invariants:
/// 1. `slots` has `count` initialised elements from `init` to `deinit`.
/// 2. Whoever keeps an address keeps the table.
@safe
package final class SlotTable {
  package let count: Int
  private let slots: UnsafeMutablePointer<CallSlot>

  package init(count: Int) {
    self.count = count
    unsafe slots = .allocate(capacity: count)
    for index in 0..<count { unsafe (slots + index).initialize(to: CallSlot()) }
  }

  deinit {
    unsafe slots.deinitialize(count: count)
    unsafe slots.deallocate()
  }

  /// - Precondition: `index` is not negative and below `count`.
  @inline(__always)
  package func address(_ index: Int) -> UnsafeMutablePointer<CallSlot> {
    precondition(index >= 0 && index < count, "a slot's number is below their count")
    return unsafe slots + index
  }

  /// The number of the slot at `address`.
  @inline(__always)
  package func index(of address: UnsafeMutablePointer<CallSlot>) -> Int { unsafe address - slots }
}
