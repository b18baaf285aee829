/// The values of columns in one record, as an ``ExtractionTree`` found them: memory that is used again and again.
struct RecordSlots {
  /// Of columns that have one value, and the presence of messages on the way to them.
  var singles: [ColumnSlot] = []
  /// Of each repeated field: as many slots for each element as the group has.
  var elements: [[ColumnSlot]] = []
  /// A repeated field had more elements than a record may have; the first ones are here.
  var hasTooManyElements = false

  mutating func reset(for tree: ExtractionTree) {
    singles.removeAll(keepingCapacity: true)
    singles.append(contentsOf: repeatElement(ColumnSlot(), count: tree.singleCount))
    while elements.count < tree.groups.count { elements.append([]) }
    for index in tree.groups.indices { elements[index].removeAll(keepingCapacity: true) }
    hasTooManyElements = false
  }
}
