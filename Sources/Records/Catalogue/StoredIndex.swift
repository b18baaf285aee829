import Bytes
import Engine
import Schema

// SAFETY: an array lends its bytes to a reader until its parts are copied.

/// What the catalogue knows of an index:
///
///     u8    version, 1
///     u8    state: 0 building, 1 ready, 2 failed
///     u32   id of its model
///     bytes definition
///     text  name, for people
///     bytes key of the last record with entries, while it is built
///     u64   records that were looked at while it is built
///     u64   records to look at, about
///     list  of texts: why it failed, or will
///
/// Integers are little-endian. *Bytes* and a *text* are a u32 length and as many bytes; a *list* is a u32 count and its
/// elements.
///
/// An index is what its definition says, in numbers: names may change, and another definition is another index.
struct StoredIndex: Equatable {
  enum State: UInt8 {
    case building = 0
    case ready = 1
    case failed = 2
  }

  static let version: UInt8 = 1

  var state: State
  var modelID: UInt32
  var definition: IndexDefinitionBytes
  var name: String
  var cursor: [UInt8] = []
  var done: UInt64 = 0
  var total: UInt64 = 0
  var reasons: [String] = []

  init(_ state: State, modelID: UInt32, _ index: ModelIndex) {
    self.state = state
    self.modelID = modelID
    definition = IndexDefinitionBytes(index)
    name = index.name
  }

  /// As reads and writes see it.
  var openState: OpenIndex.State {
    switch state {
    case .building: .building(done: done, total: total)
    case .ready: .ready
    case .failed: .failed(reasons)
    }
  }

  // MARK: - Bytes

  func bytes() -> [UInt8] {
    var writer = ByteWriter()
    writer.append(Self.version)
    writer.append(state.rawValue)
    writer.appendLittleEndian(modelID)
    func append(_ bytes: [UInt8]) {
      writer.appendLittleEndian(UInt32(bytes.count))
      writer.append(bytes)
    }
    append(definition.bytes)
    append(Array(name.utf8))
    append(cursor)
    writer.appendLittleEndian(done)
    writer.appendLittleEndian(total)
    writer.appendLittleEndian(UInt32(reasons.count))
    for reason in reasons { append(Array(reason.utf8)) }
    return writer.array()
  }

  /// - Returns: nil when they are none that this program wrote.
  init?(_ bytes: [UInt8]) {
    var rest = bytes[...]
    func number(_ count: Int) -> UInt64? {
      guard rest.count >= count else { return nil }
      defer { rest.removeFirst(count) }
      return rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    func part() -> [UInt8]? {
      guard let count = number(4), count <= UInt64(rest.count) else { return nil }
      defer { rest.removeFirst(Int(count)) }
      return Array(rest.prefix(Int(count)))
    }
    guard number(1) == UInt64(Self.version), let stateNumber = number(1),
      let state = State(rawValue: UInt8(stateNumber)), let modelID = number(4),
      let definition = part(), let name = part(), let cursor = part(), let done = number(8),
      let total = number(8), let count = number(4), count <= 1000,
      let parsed = IndexDefinitionBytes(definition)
    else { return nil }
    self.state = state
    self.modelID = UInt32(modelID)
    self.definition = parsed
    self.name = String(decoding: name, as: UTF8.self)
    self.cursor = cursor
    self.done = done
    self.total = total
    for _ in 0..<count {
      guard let reason = part() else { return nil }
      reasons.append(String(decoding: reason, as: UTF8.self))
    }
    guard rest.isEmpty else { return nil }
  }
}

/// What an index is, without names:
///
///     u8       bit 0: unique, bit 1: sparse, bit 2: by when records end
///     u8       includes 0 nothing, 1 fields, 2 everything
///     varint   number of columns, and of each:
///                varint number of fields on its path, and their numbers
///                varint 0, or 1 and up: the place of the repeated field on the path, counted from 1
///                u8     bit 0: descending, bit 1: has presence
///     varint   number of included fields, and of each: varint number of fields on its path, and their numbers
///     u8…      the type of each column, see ``number(of:)``
///
/// The types come last: a wider one has the same entries.
struct IndexDefinitionBytes: Equatable {
  let shape: [UInt8]
  let kinds: [UInt8]

  var bytes: [UInt8] { shape + kinds }

  init(_ index: ModelIndex) {
    var writer = ByteWriter()
    writer.append(
      (index.isUnique ? 1 : 0) | (index.isSparse ? 2 : 0) | (index.isExpiry ? 4 : 0))
    var paths: [ModelIndex.Path] = []
    switch index.inclusion {
    case .none: writer.append(0)
    case .paths(let included):
      writer.append(1)
      paths = included
    case .everything: writer.append(2)
    }
    func append(_ numbers: [UInt32]) {
      writer.appendVarint(UInt64(numbers.count))
      for number in numbers { writer.appendVarint(UInt64(number)) }
    }
    writer.appendVarint(UInt64(index.columns.count))
    for column in index.columns {
      append(column.path)
      writer.appendVarint(UInt64(column.repeatedStep.map { $0 + 1 } ?? 0))
      writer.append((column.isDescending ? 1 : 0) | (column.hasPresence ? 2 : 0))
    }
    writer.appendVarint(UInt64(paths.count))
    for path in paths { append(path.numbers) }
    shape = writer.array()
    kinds = index.columns.map { Self.number(of: $0.kind) }
  }

  /// - Returns: nil when they are no definition.
  init?(_ bytes: [UInt8]) {
    guard let count = Self.columnCount(bytes), count <= bytes.count else { return nil }
    shape = Array(bytes.dropLast(count))
    kinds = Array(bytes.suffix(count))
  }

  private static func columnCount(_ bytes: [UInt8]) -> Int? {
    // Fewer than 128: one byte.
    guard bytes.count > 3, (1...ModelKey.maximumColumns).contains(Int(bytes[2])) else { return nil }
    return Int(bytes[2])
  }

  /// Whether the entries of this index are those of the other one.
  func hasSameEntries(as other: IndexDefinitionBytes) -> Bool {
    shape == other.shape && kinds.count == other.kinds.count
      && zip(kinds, other.kinds).allSatisfy { old, new in
        guard let old = Self.kind(old), let new = Self.kind(new) else { return false }
        return old.hasSameBytes(in: new)
      }
  }

  /// The number of a type in a catalogue, for ever.
  static func number(of kind: ColumnKind) -> UInt8 {
    switch kind {
    case .string: 1
    case .bytes: 2
    case .bool: 3
    case .enumeration: 4
    case .int32: 5
    case .int64: 6
    case .sint32: 7
    case .sint64: 8
    case .sfixed32: 9
    case .sfixed64: 10
    case .uint32: 11
    case .uint64: 12
    case .fixed32: 13
    case .fixed64: 14
    case .timestamp: 15
    case .duration: 16
    case .float: 17
    case .double: 18
    }
  }

  private static func kind(_ number: UInt8) -> ColumnKind? {
    ColumnKind.allCases.first { self.number(of: $0) == number }
  }
}
