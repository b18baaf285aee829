import Bytes
import Schema

// SAFETY: a record is lent until the return; ``WireScan`` checks every offset before it reads there.

/// When the records of a model end: by a field of theirs, and the clock.
///
/// From that moment on a record is absent for every read, condition and unique index, whether it is still stored or
/// not.
///
/// Thread-safety: a value; any thread.
package struct RecordExpiry: Sendable {
  private let number: UInt32
  private let kind: ColumnKind
  let clock: DatabaseClock

  private static let nanosecondsOfSecond: UInt64 = 1_000_000_000

  init(_ column: Column, clock: DatabaseClock) {
    number = column.number
    kind = column.kind
    self.clock = clock
  }

  /// Whether a record has ended. One that does not say when, or says 0, never ends; nor does one that cannot be read.
  ///
  /// - Parameters:
  ///   - record: the stored bytes, or a part of them that has the field.
  ///   - now: nil asks the clock, if the record ends at all.
  /// - Complexity: O(fields of the record itself).
  @safe
  package func hasPassed(_ record: UnsafeRawBufferPointer, at now: Now? = nil) -> Bool {
    guard let start = record.baseAddress else { return false }
    var slot = ColumnSlot()
    do throws(RecordError) {
      // SAFETY: raw bytes may be read as UInt8.
      let base = unsafe start.assumingMemoryBound(to: UInt8.self)
      var offset = 0
      while offset < record.count {
        let fieldStart = offset
        let (number, wireType) = try unsafe WireScan.tag(base, &offset, record.count)
        if number == self.number, wireType == kind.wireType {
          try unsafe slot.read(kind, base, &offset, record.count, checksText: false)
        } else {
          try unsafe WireScan.skip(
            base, &offset, record.count, number: number, wireType: wireType, start: fieldStart,
            depth: 1)
        }
      }
    } catch {
      return false
    }
    return slot.isSet && hasPassed(slot, at: now ?? self.now)
  }

  private func hasPassed(_ slot: ColumnSlot, at now: Now) -> Bool {
    let seconds: Int64
    switch kind {
    case .uint32, .uint64, .fixed32, .fixed64:
      guard let small = Int64(exactly: slot.bits) else { return false }
      seconds = small
    default: seconds = kind.signed(slot.bits)
    }
    guard seconds != 0 || slot.nanoseconds != 0 else { return false }
    if seconds != now.seconds { return seconds < now.seconds }
    return slot.nanoseconds <= now.nanoseconds
  }

  /// A date of the clock.
  package struct Now: Sendable {
    fileprivate let seconds: Int64
    fileprivate let nanoseconds: UInt64
  }

  /// For several records, which are of one moment then.
  var now: Now {
    let date = clock.date()
    return Now(
      seconds: Int64(date / Self.nanosecondsOfSecond), nanoseconds: date % Self.nanosecondsOfSecond)
  }

  // MARK: - Entries

  /// Appends the columns of the first entry, in the index by which records end, of a record that has not.
  ///
  /// - Parameter plan: of that index.
  func appendEnd(of plan: IndexPlan, to writer: inout ByteWriter) {
    let now = self.now
    var slot = ColumnSlot()
    slot.isSet = true
    slot.bits = UInt64(bitPattern: now.seconds)
    if kind.isTime, now.nanoseconds + 1 < Self.nanosecondsOfSecond {
      slot.nanoseconds = now.nanoseconds + 1
    } else {
      slot.bits += 1
    }
    switch kind {
    case .sint32, .sint64: slot.bits <<= 1
    default: break
    }
    // Past what the type can say, every record has ended.
    if unsafe !plan.columns.encodings[0].append(
      slot, of: UnsafeRawBufferPointer(start: nil, count: 0), to: &writer)
    {
      writer.append(UInt8.max)
    }
  }
}
