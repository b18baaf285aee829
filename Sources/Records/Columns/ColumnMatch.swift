import Bytes
import Engine
import Schema

// SAFETY: reads through the base of a query that is lent until the return. ``WireScan`` checks every offset before it
// reads there.

/// Which values of one column a query asks for, as the bytes that they have in a key.
enum ColumnMatch: Equatable {
  /// One bound of a range of values.
  struct Bound: Equatable {
    let value: [UInt8]
    let isIncluded: Bool
  }

  /// Exactly these: `eq`, `in`. In any order, also several times.
  case values([[UInt8]])
  /// Values as they order, whatever the order of the column.
  case range(lower: Bound?, upper: Bound?)
  /// What all of the strings begin with.
  case beginning([UInt8])
  /// Not set.
  case unset
}

/// Parses the match of one column: a message like `IndexQuery.Int64`.
@safe
struct ColumnMatchParser {
  private let column: Column
  /// Of the values in a query, which may be any number of 64 bits.
  let encoding: ColumnEncoding
  @safe let bytes: UnsafeRawBufferPointer

  /// - Parameter bytes: of the query, which outlives the parser.
  init(_ column: Column, _ encoding: ColumnEncoding, _ bytes: UnsafeRawBufferPointer) {
    self.column = column
    self.encoding = ColumnEncoding(
      kind: column.kind.queryKind, isDescending: encoding.isDescending, isRaw: encoding.isRaw)
    unsafe self.bytes = bytes
  }

  private func error(_ problem: MatchError) -> QueryError {
    .badMatch(column: column.name, problem)
  }

  /// - Parameter range: where the message is in the query.
  func parse(_ range: Range<Int>) throws(QueryError) -> ColumnMatch {
    var match: ColumnMatch?
    try fields(range) { (number, wireType, offset, end) throws(QueryError) in
      guard match == nil else { throw error(.several) }
      switch number {
      case 1: match = .values([try value(wireType, &offset, end)])
      case 2: match = .range(lower: try bound(true, wireType, &offset, end), upper: nil)
      case 5: match = .range(lower: try bound(false, wireType, &offset, end), upper: nil)
      case 3: match = .range(lower: nil, upper: try bound(true, wireType, &offset, end))
      case 6: match = .range(lower: nil, upper: try bound(false, wireType, &offset, end))
      case 4 where column.kind.isText: match = try beginning(wireType, &offset, end)
      case 7: match = try rangeOfBounds(try message(wireType, &offset, end))
      case 8: match = try values(try message(wireType, &offset, end))
      case 9:
        guard wireType == 0, let isUnset = try? unsafe WireScan.varint(base, &offset, end) else {
          throw error(.malformed(offset: offset))
        }
        guard isUnset != 0 else { throw error(.empty) }
        match = .unset
      default: return false
      }
      return true
    }
    guard let match else { throw error(.empty) }
    return match
  }

  // SAFETY: only used where there are bytes.
  var base: UnsafePointer<UInt8> {
    unsafe bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
  }

  /// Visits the fields of a message.
  ///
  /// - Parameter visit: gets number and wire type, and moves the offset over the value; false for a field that this
  ///   server does not know.
  private func fields(
    _ range: Range<Int>,
    _ visit: (UInt32, UInt8, inout Int, Int) throws(QueryError) -> Bool
  ) throws(QueryError) {
    var offset = range.lowerBound
    while offset < range.upperBound {
      let start = offset
      guard let (number, wireType) = try? unsafe WireScan.tag(base, &offset, range.upperBound)
      else { throw error(.malformed(offset: start)) }
      guard try visit(number, wireType, &offset, range.upperBound) else {
        throw error(.unsupported(Int(number)))
      }
    }
  }

  private func message(
    _ wireType: UInt8, _ offset: inout Int, _ end: Int
  ) throws(QueryError) -> Range<Int> {
    let start = offset
    guard wireType == 2, let length = try? unsafe WireScan.length(base, &offset, end) else {
      throw error(.malformed(offset: start))
    }
    defer { offset += length }
    return offset..<offset + length
  }

  /// The bytes of one value, at which the offset is.
  private func value(
    _ wireType: UInt8, _ offset: inout Int, _ end: Int
  ) throws(QueryError) -> [UInt8] {
    let start = offset
    guard wireType == encoding.kind.wireType else { throw error(.malformed(offset: start)) }
    var slot = ColumnSlot()
    do throws(RecordError) {
      try unsafe slot.read(encoding.kind, base, &offset, end, checksText: true)
    } catch {
      throw self.error(
        error.reason == .invalidUTF8
          ? .notUTF8(offset: error.offset) : .malformed(offset: error.offset))
    }
    let size = slot.end - slot.start
    guard size <= RecordPlan.maximumKeySize else { throw error(.tooLong(size)) }
    var writer = ByteWriter(capacity: 16)
    guard encoding.append(slot, of: bytes, to: &writer) else { throw error(.outOfRange) }
    return writer.array()
  }

  private func bound(
    _ isIncluded: Bool, _ wireType: UInt8, _ offset: inout Int, _ end: Int
  ) throws(QueryError) -> ColumnMatch.Bound {
    let value = try value(wireType, &offset, end)
    let width = encoding.kind.floatByteCount
    let nan = OrderedFloat.beginningOfNaN(byteCount: width)
    // What has no order is no bound.
    guard
      !encoding.kind.isFloatingPoint
        || !value.starts(with: encoding.isDescending ? nan.map { ~$0 } : nan)
    else { throw error(.outOfRange) }
    return ColumnMatch.Bound(value: value, isIncluded: isIncluded)
  }

  private func beginning(
    _ wireType: UInt8, _ offset: inout Int, _ end: Int
  ) throws(QueryError) -> ColumnMatch {
    let start = offset
    // Looked at as a value first.
    _ = try value(wireType, &offset, end)
    var place = start
    let text = try message(wireType, &place, end)
    var writer = ByteWriter(capacity: 16)
    unsafe encoding.appendOpen(UnsafeRawBufferPointer(rebasing: bytes[text]), to: &writer)
    return .beginning(writer.array())
  }

  private func rangeOfBounds(_ range: Range<Int>) throws(QueryError) -> ColumnMatch {
    var (lower, upper): (ColumnMatch.Bound?, ColumnMatch.Bound?)
    try fields(range) { (number, wireType, offset, end) throws(QueryError) in
      guard (1...4).contains(number) else { return false }
      let isLower = number <= 2
      guard (isLower ? lower : upper) == nil else { throw error(.several) }
      let bound = try bound(number == 1 || number == 3, wireType, &offset, end)
      if isLower { lower = bound } else { upper = bound }
      return true
    }
    guard lower != nil || upper != nil else { throw error(.unbounded) }
    return .range(lower: lower, upper: upper)
  }

  private func values(_ range: Range<Int>) throws(QueryError) -> ColumnMatch {
    var values: [[UInt8]] = []
    try fields(range) { (number, wireType, offset, end) throws(QueryError) in
      guard number == 1 else { return false }
      if wireType == 2 && encoding.kind.wireType != 2 {
        let packed = try message(wireType, &offset, end)
        var place = packed.lowerBound
        while place < packed.upperBound {
          values.append(try value(encoding.kind.wireType, &place, packed.upperBound))
        }
      } else {
        values.append(try value(wireType, &offset, end))
      }
      guard values.count <= KeyList.maximumCount else { throw error(.tooManyValues) }
      return true
    }
    guard !values.isEmpty else { throw error(.noValues) }
    return .values(values)
  }
}

extension ColumnKind {
  /// What the values of a query are: there is one message for all signed integers, and one for all others.
  var queryKind: ColumnKind {
    switch self {
    case .int32, .int64, .sint32, .sint64, .sfixed32, .sfixed64: .int64
    case .uint32, .uint64, .fixed32, .fixed64: .uint64
    default: self
    }
  }
}
