import Bytes
import Engine
package import Schema

/// The indexes of one model in an open database.
///
/// Thread-safety: constant, but for the states of the indexes.
package final class ModelIndexes: Sendable {
  /// In the order of the schema; the one by which records end comes last.
  package let all: [OpenIndex]
  private let tree: ExtractionTree

  /// What the catalogue knows of an index.
  package struct Known: Sendable {
    let id: UInt32
    let state: OpenIndex.State
    let cursor: [UInt8]
  }

  /// - Parameters:
  ///   - known: of each index of the model, in its order.
  ///   - plan: with the model's message.
  package init(_ model: Model, _ known: [Known], plan: RecordPlan) {
    var tree = ExtractionTree(message: model.messageIndex, plan: plan)
    let indexes = model.storedIndexes
    let places = indexes.map { index in index.columns.map { tree.add($0) } }
    let finished = tree
    all = indexes.indices.map { place in
      let index = indexes[place]
      let known = known[place]
      let covering = Self.covering(index, of: model, plan)
      return OpenIndex(
        IndexPlan(
          index, id: known.id, places: places[place], in: finished, covering: covering),
        id: known.id, state: known.state, cursor: known.cursor)
    }
    self.tree = finished
  }

  /// What entries include, with the key and the columns, which are there already; nil for nothing or everything.
  private static func covering(
    _ index: ModelIndex, of model: Model, _ plan: RecordPlan
  ) -> MaskTree? {
    guard case .paths(let paths) = index.inclusion else { return nil }
    let columns = index.columns.map { column in
      // A repeated field is included as a whole: a mask goes through none.
      column.repeatedStep.map { step in
        column.name.split(separator: ".").prefix(step + 1).joined(separator: ".")
      } ?? column.name
    }
    return MaskTree.compile(
      paths: model.key.columns.map(\.name) + columns + paths.map(\.name),
      message: model.messageIndex, plan: plan)
  }

  /// Appends the entries of a record in all indexes but those that failed.
  ///
  /// - Parameters:
  ///   - key: of the record, without its prefix.
  ///   - slots: memory for the values of columns.
  @safe
  func append(
    _ record: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, _ slots: inout RecordSlots,
    to list: inout EntryList
  ) throws(IndexEntryError) {
    list.beginRecord()
    do throws(RecordError) {
      try tree.read(record, into: &slots)
    } catch {
      throw IndexEntryError(reason: .malformed(error), index: 0, column: 0)
    }
    for place in all.indices where !all[place].isFailed {
      try all[place].plan.append(slots, of: record, key: key, place: place, to: &list)
    }
  }

  /// Appends what deletes a record and its entries. One that cannot be read stays: `seandb verify` tells of it.
  ///
  /// - Parameters:
  ///   - key: of the record, without its prefix.
  ///   - slots: memory for the values of columns.
  ///   - entries: memory for entries.
  /// - Returns: whether it is deleted.
  @safe
  func appendDeletion(
    of record: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, _ slots: inout RecordSlots,
    _ entries: inout EntryList, _ prefix: KeyPrefix, to batch: WriteBatch
  ) -> Bool {
    entries.removeAll()
    do throws(IndexEntryError) {
      try append(record, key: key, &slots, to: &entries)
    } catch {
      return false
    }
    for entry in entries.entries where all[entry.index].keepsEntries(ofKey: key) {
      batch.delete(entries.key(entry))
    }
    batch.delete(key, prefix: prefix.fixed)
    return true
  }

  /// Appends the entries of a record in one index.
  @safe
  func append(
    _ record: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, _ slots: inout RecordSlots,
    inIndex place: Int, to list: inout EntryList
  ) throws(IndexEntryError) {
    list.beginRecord()
    do throws(RecordError) {
      try tree.read(record, into: &slots)
    } catch {
      throw IndexEntryError(reason: .malformed(error), index: place, column: 0)
    }
    try all[place].plan.append(slots, of: record, key: key, place: place, to: &list)
  }
}
