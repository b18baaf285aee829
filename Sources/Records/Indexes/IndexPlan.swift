import Bytes
import Engine
package import Schema

// SAFETY: a record and its key are lent until the return; a slot's bytes lie in the record that it was read from.

/// How the entries of one index are made and read: resolved once.
///
///     key      02, id of the index, columns, key of the record; of a unique one without the key of the record, unless
///              a column is unset
///     value    of a unique one: varint length and bytes of the key of the record. Then what the entry includes: wire
///              bytes of the record, cut to its key, the columns and the included fields; nothing when it includes none
///
/// Thread-safety: a constant value.
package struct IndexPlan: Sendable {
  /// Bytes that the columns of an entry may have.
  package static let maximumColumnBytes = RecordPlan.maximumKeySize
  /// Bytes that the entries of a record, and of all records of a call, may have: a record of a thousand elements
  /// that is included as a whole would be written a thousand times.
  package static let maximumEntryBytes = 16 << 20

  /// Of the schema.
  package let index: ModelIndex
  /// Of its entries: the id that the catalogue gave to the index.
  package let prefix: KeyPrefix
  let columns: ColumnPlan
  private let places: [ExtractionTree.Place]
  /// Its repeated field in the tree; -1 for none.
  private let group: Int
  /// Slots of each element of it.
  private let elementStride: Int
  /// What of a record is included; nil for nothing, or for all of it.
  let covering: MaskTree?

  /// - Parameters:
  ///   - places: of its columns, in the tree of its model, which has all of them.
  ///   - covering: nil when it includes nothing, or everything.
  init(
    _ index: ModelIndex, id: UInt32, places: [ExtractionTree.Place], in tree: ExtractionTree,
    covering: MaskTree?
  ) {
    self.index = index
    prefix = KeyPrefix(.index, model: id)
    columns = ColumnPlan(
      index.columns, message: index.queryMessage, lastIsRaw: false, areWholeKeys: index.isUnique)
    self.places = places
    group = places.first { $0.group >= 0 }?.group ?? -1
    elementStride = group < 0 ? 1 : tree.groups[group].stride
    self.covering = covering
  }

  // MARK: - Making entries

  /// Appends the entries of a record, ascending.
  ///
  /// - Parameters:
  ///   - slots: of the record.
  ///   - key: of the record, without its prefix.
  ///   - place: of the index in its model.
  @safe
  func append(
    _ slots: borrowing RecordSlots, of record: UnsafeRawBufferPointer,
    key: UnsafeRawBufferPointer, place: Int, to list: inout EntryList
  ) throws(IndexEntryError) {
    let first = list.entries.count
    guard group >= 0 else {
      try append(slots.singles, slots.singles, 0, of: record, key, place, to: &list)
      return
    }
    if slots.hasTooManyElements(ofGroup: group) {
      throw IndexEntryError(reason: .tooManyElements, index: place, column: elementColumn)
    }
    for element in stride(from: 0, to: slots.elements[group].count, by: elementStride) {
      try append(
        slots.singles, slots.elements[group], element, of: record, key, place, to: &list)
    }
    list.sort(from: first)
  }

  private var elementColumn: Int { places.firstIndex { $0.group >= 0 } ?? 0 }

  /// - Parameters:
  ///   - elements: of its repeated field, whose slots for this entry begin at `element`.
  @safe
  private func append(
    _ singles: [ColumnSlot], _ elements: [ColumnSlot], _ element: Int,
    of record: UnsafeRawBufferPointer, _ key: UnsafeRawBufferPointer, _ place: Int,
    to list: inout EntryList
  ) throws(IndexEntryError) {
    let start = list.bytes.count
    prefix.fixed.append(to: &list.bytes)
    var hasUnset = false
    for column in places.indices {
      let source = places[column]
      let isElement = source.group >= 0
      let slot = isElement ? elements[element + source.slot] : singles[source.slot]
      let isMessageThere =
        source.presence < 0
        || (isElement
          ? elements[element + source.presence].isSet : singles[source.presence].isSet)
      let encoding = columns.encodings[column]
      let hasPresence = columns.columns[column].hasPresence
      let isUnset = !slot.isSet && (hasPresence || !isMessageThere)
      let countsAsUnset = !hasPresence || index.isExpiry
      if index.isSparse && (isUnset || countsAsUnset && encoding.isDefault(slot)) {
        list.bytes.truncate(to: start)
        return
      }
      if isUnset {
        hasUnset = true
        encoding.appendUnset(to: &list.bytes)
      } else if !encoding.append(slot, of: record, to: &list.bytes) {
        throw IndexEntryError(reason: .outOfRange, index: place, column: column)
      }
    }
    let size = list.bytes.count - start - KeyPrefix.byteCount
    guard size <= Self.maximumColumnBytes else {
      throw IndexEntryError(
        reason: .tooLong(size), index: place, column: longestColumn(singles, elements, element))
    }
    if !index.isUnique || hasUnset { list.bytes.append(key) }
    let keyEnd = list.bytes.count
    if index.isUnique {
      list.bytes.appendVarint(UInt64(key.count))
      list.bytes.append(key)
    }
    try appendIncluded(of: record, place, to: &list.bytes)
    guard list.recordBytes <= Self.maximumEntryBytes else {
      throw IndexEntryError(reason: .tooLarge, index: place, column: 0)
    }
    list.entries.append(
      EntryList.Entry(
        index: place, keyStart: start, keyEnd: keyEnd, valueEnd: list.bytes.count))
  }

  private func longestColumn(
    _ singles: [ColumnSlot], _ elements: [ColumnSlot], _ element: Int
  ) -> Int {
    places.indices.max { first, second in
      func size(_ column: Int) -> Int {
        let place = places[column]
        let slot = place.group >= 0 ? elements[element + place.slot] : singles[place.slot]
        return columns.encodings[column].kind.isText ? slot.end - slot.start : 0
      }
      return size(first) < size(second)
    } ?? 0
  }

  @safe
  private func appendIncluded(
    of record: UnsafeRawBufferPointer, _ place: Int, to writer: inout ByteWriter
  ) throws(IndexEntryError) {
    if case .everything = index.inclusion { return writer.append(record) }
    guard let covering else { return }
    do throws(RecordError) {
      try covering.project(record, into: &writer)
    } catch {
      throw IndexEntryError(reason: .malformed(error), index: place, column: 0)
    }
  }

  // MARK: - Reading entries

  /// Where the key of the record is in an entry: in its key, or in its value.
  enum KeyPlace {
    case inKey(Range<Int>)
    case inValue(Range<Int>)
  }

  /// - Returns: nil when the entry is none.
  @safe
  func keyPlace(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> KeyPlace? {
    if index.isUnique {
      var offset = 0
      guard let length = unsafe Varint.decode(value, &offset, end: value.count),
        length <= UInt64(value.count - offset)
      else { return nil }
      return .inValue(offset..<offset + Int(length))
    }
    var end = KeyPrefix.byteCount
    for encoding in columns.encodings {
      guard let next = encoding.end(of: key, from: end) else { return nil }
      end = next
    }
    return end < key.count ? .inKey(end..<key.count) : nil
  }

  /// The key of the record that an entry of a unique index is of.
  ///
  /// - Returns: nil when the value is none of an entry.
  @safe
  func holder(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var offset = 0
    guard let length = unsafe Varint.decode(value, &offset, end: value.count),
      length > 0, length <= UInt64(value.count - offset)
    else { return nil }
    return unsafe UnsafeRawBufferPointer(rebasing: value[offset..<offset + Int(length)])
  }

  /// What an entry includes of its record.
  ///
  /// - Returns: nil when the entry is none.
  @safe
  func included(in value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard index.isUnique else { return unsafe value }
    var offset = 0
    guard let length = unsafe Varint.decode(value, &offset, end: value.count),
      length <= UInt64(value.count - offset)
    else { return nil }
    return unsafe UnsafeRawBufferPointer(rebasing: value[(offset + Int(length))...])
  }
}
