/// The values of columns in one record, as an ``ExtractionTree`` found them: memory that is used again and again.
struct RecordSlots {
  /// Of columns that have one value, and the presence of messages on the way to them.
  var singles: [ColumnSlot] = []
  /// Of each repeated field: as many slots for each element as the group has.
  var elements: [[ColumnSlot]] = []
  /// Repeated fields that had more elements than a record may have, of which the first ones are here: a bit each.
  private var groupsTooLarge: UInt64 = 0

  mutating func noteTooManyElements(ofGroup group: Int) { groupsTooLarge |= 1 << UInt64(group) }

  func hasTooManyElements(ofGroup group: Int) -> Bool { groupsTooLarge >> UInt64(group) & 1 == 1 }

  mutating func reset(for tree: ExtractionTree) {
    singles.removeAll(keepingCapacity: true)
    singles.append(contentsOf: repeatElement(ColumnSlot(), count: tree.singleCount))
    while elements.count < tree.groups.count { elements.append([]) }
    for index in tree.groups.indices { elements[index].removeAll(keepingCapacity: true) }
    groupsTooLarge = 0
  }
}
