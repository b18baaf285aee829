import Schema

// SAFETY: reads through the base of a record that is lent until the return. ``WireScan`` checks every offset before it
// reads there.

/// Where the values of columns are in the records of one model: field numbers as a tree, resolved once.
///
/// It finds what a decoder would: the last value of a field; a message that comes in parts is the parts together; a
/// later member of a oneof takes the earlier one away; numbers of a repeated field come packed or one by one. A field
/// with another wire type than its own is unknown, as to any decoder.
///
/// Thread-safety: an immutable value.
struct ExtractionTree: Sendable {
  /// Where a column's value is.
  struct Place: Sendable {
    /// Among ``RecordSlots/singles``, or those of an element.
    let slot: Int
    /// The slot that says whether the message with the field is there; -1 when it always is.
    let presence: Int
    /// The repeated field on the way; -1 for none.
    let group: Int
  }

  private struct Field: Sendable {
    let number: UInt32
    /// Of its oneof in the message; -1 for none.
    let oneof: Int
    var kind = ColumnKind.bool
    /// Where its value goes; -1 for nowhere.
    var slot = -1
    /// The node of the message in it; -1 for none.
    var child = -1
    /// Of a repeated field.
    var group = -1
  }

  private struct Node: Sendable {
    let message: Int
    /// Set when the message is there; -1 for none.
    let presence: Int
    /// Those of interest alone.
    var fields: [Field] = []
  }

  /// A repeated field.
  struct Group: Sendable {
    /// Slots of each element.
    fileprivate(set) var stride = 0
    /// Of an element that is a message; -1 for none.
    fileprivate var node = -1
    /// Of an element that is a value; -1 for none.
    fileprivate var slot = -1
    fileprivate var kind = ColumnKind.bool

    fileprivate init() {}
  }

  private var nodes: [Node]
  private(set) var groups: [Group] = []
  private(set) var singleCount = 0
  private let plan: RecordPlan

  /// - Parameter message: of the records, in `plan`.
  init(message: Int, plan: RecordPlan) {
    self.plan = plan
    nodes = [Node(message: message, presence: -1)]
  }

  // MARK: - Making one

  /// Has it find one more column.
  mutating func add(_ column: Column) -> Place {
    var (node, scope, presence) = (0, -1, -1)
    for (step, number) in column.path.enumerated() {
      let isLast = step == column.path.count - 1
      let field = field(number, of: node)
      if column.repeatedStep == step {
        scope = group(of: field, in: node)
        presence = -1
        if isLast {
          if groups[scope].slot < 0 { groups[scope].slot = newSlot(scope) }
          groups[scope].kind = column.kind
          return Place(slot: groups[scope].slot, presence: -1, group: scope)
        }
        if groups[scope].node < 0 {
          groups[scope].node = newNode(of: field, in: node, presence: -1)
        }
        node = groups[scope].node
      } else if isLast {
        if nodes[node].fields[field].slot < 0 {
          nodes[node].fields[field].slot = newSlot(scope)
        }
        nodes[node].fields[field].kind = column.kind
        return Place(slot: nodes[node].fields[field].slot, presence: presence, group: scope)
      } else {
        if nodes[node].fields[field].child < 0 {
          let slot = newSlot(scope)
          nodes[node].fields[field].child = newNode(of: field, in: node, presence: slot)
        }
        node = nodes[node].fields[field].child
        presence = nodes[node].presence
      }
    }
    preconditionFailure("a column has a path")
  }

  private mutating func newSlot(_ scope: Int) -> Int {
    if scope < 0 {
      singleCount += 1
      return singleCount - 1
    }
    groups[scope].stride += 1
    return groups[scope].stride - 1
  }

  private mutating func newNode(of field: Int, in node: Int, presence: Int) -> Int {
    let number = nodes[node].fields[field].number
    nodes.append(
      Node(
        message: plan.message(ofField: number, inMessage: nodes[node].message), presence: presence))
    return nodes.count - 1
  }

  private mutating func group(of field: Int, in node: Int) -> Int {
    if nodes[node].fields[field].group < 0 {
      // One for each index, at most.
      precondition(groups.count < ModelIndex.maximumCount)
      groups.append(Group())
      nodes[node].fields[field].group = groups.count - 1
    }
    return nodes[node].fields[field].group
  }

  /// The index of a field in a node, which gets it, and with it all members of its oneof.
  private mutating func field(_ number: UInt32, of node: Int) -> Int {
    if let index = nodes[node].fields.firstIndex(where: { $0.number == number }) { return index }
    let message = nodes[node].message
    let oneof = plan.oneof(ofField: number, inMessage: message)
    nodes[node].fields.append(Field(number: number, oneof: oneof ?? -1))
    let index = nodes[node].fields.count - 1
    guard let oneof else { return index }
    for member in plan.members(ofOneof: oneof, inMessage: message)
    where !nodes[node].fields.contains(where: { $0.number == member.number }) {
      nodes[node].fields.append(Field(number: member.number, oneof: oneof))
    }
    return index
  }

  // MARK: - Reading a record

  /// Finds the values of all columns.
  ///
  /// - Throws: when the record is no protobuf message.
  /// - Complexity: O(fields of the record).
  @safe
  func read(
    _ record: UnsafeRawBufferPointer, into slots: inout RecordSlots
  ) throws(RecordError) {
    slots.reset(for: self)
    guard let start = record.baseAddress else { return }
    // SAFETY: raw bytes may be read as UInt8.
    let base = unsafe start.assumingMemoryBound(to: UInt8.self)
    try unsafe read(base, 0, record.count, node: 0, scope: -1, first: 0, &slots)
  }

  /// - Parameters:
  ///   - scope: the group of the element that is read; -1 for none.
  ///   - first: where the element's slots begin.
  private func read(
    _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, node: Int, scope: Int, first: Int,
    _ slots: inout RecordSlots
  ) throws(RecordError) {
    var offset = start
    while offset < end {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, end)
      guard let index = nodes[node].fields.firstIndex(where: { $0.number == number }) else {
        try unsafe WireScan.skip(
          base, &offset, end, number: number, wireType: wireType, start: fieldStart, depth: 1)
        continue
      }
      let field = nodes[node].fields[index]
      let valueStart = offset
      try unsafe WireScan.skip(
        base, &offset, end, number: number, wireType: wireType, start: fieldStart, depth: 1)
      if field.oneof >= 0 { clearOthers(of: index, in: node, scope, first, &slots) }
      if field.slot >= 0, wireType == field.kind.wireType {
        var place = valueStart
        let slot = first + field.slot
        if scope < 0 {
          try unsafe slots.singles[slot].read(field.kind, base, &place, end, checksText: false)
        } else {
          try unsafe slots.elements[scope][slot].read(
            field.kind, base, &place, end, checksText: false)
        }
      }
      guard field.child >= 0 || field.group >= 0 else { continue }
      if field.group >= 0 {
        try unsafe readElements(base, valueStart, offset, wireType, field.group, &slots)
      } else if wireType == 2 {
        var place = valueStart
        _ = try unsafe WireScan.length(base, &place, end)
        set(nodes[field.child].presence, scope, first, &slots)
        try unsafe read(
          base, place, offset, node: field.child, scope: scope, first: first, &slots)
      }
    }
  }

  private func set(_ presence: Int, _ scope: Int, _ first: Int, _ slots: inout RecordSlots) {
    if scope < 0 {
      slots.singles[first + presence].isSet = true
    } else {
      slots.elements[scope][first + presence].isSet = true
    }
  }

  /// Reads what one field has of a repeated one: an element, or a packed row of numbers.
  private func readElements(
    _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ wireType: UInt8, _ group: Int,
    _ slots: inout RecordSlots
  ) throws(RecordError) {
    let shape = groups[group]
    var offset = start
    if shape.slot >= 0 && wireType == shape.kind.wireType {
      guard let first = addElement(group, &slots) else { return }
      try unsafe slots.elements[group][first + shape.slot].read(
        shape.kind, base, &offset, end, checksText: false)
    } else if shape.slot >= 0 && wireType == 2 {
      _ = try unsafe WireScan.length(base, &offset, end)
      while offset < end, let first = addElement(group, &slots) {
        try unsafe slots.elements[group][first + shape.slot].read(
          shape.kind, base, &offset, end, checksText: false)
      }
    } else if shape.node >= 0 && wireType == 2 {
      _ = try unsafe WireScan.length(base, &offset, end)
      guard let first = addElement(group, &slots) else { return }
      try unsafe read(
        base, offset, end, node: shape.node, scope: group, first: first, &slots)
    }
  }

  /// - Returns: where its slots begin; nil when there are too many.
  private func addElement(_ group: Int, _ slots: inout RecordSlots) -> Int? {
    let (first, stride) = (slots.elements[group].count, groups[group].stride)
    guard first < stride * ModelIndex.maximumElements else {
      slots.noteTooManyElements(ofGroup: group)
      return nil
    }
    slots.elements[group].append(contentsOf: repeatElement(ColumnSlot(), count: stride))
    return first
  }

  /// A later member of a oneof takes the earlier ones away.
  private func clearOthers(
    of field: Int, in node: Int, _ scope: Int, _ first: Int, _ slots: inout RecordSlots
  ) {
    let oneof = nodes[node].fields[field].oneof
    for other in nodes[node].fields.indices
    where other != field && nodes[node].fields[other].oneof == oneof {
      clear(nodes[node].fields[other], scope, first, &slots)
    }
  }

  private func clear(_ field: Field, _ scope: Int, _ first: Int, _ slots: inout RecordSlots) {
    if field.slot >= 0 { clear(slot: first + field.slot, scope, &slots) }
    if field.group >= 0 { slots.elements[field.group].removeAll(keepingCapacity: true) }
    guard field.child >= 0 else { return }
    clear(slot: first + nodes[field.child].presence, scope, &slots)
    for inner in nodes[field.child].fields { clear(inner, scope, first, &slots) }
  }

  private func clear(slot: Int, _ scope: Int, _ slots: inout RecordSlots) {
    if scope < 0 {
      slots.singles[slot] = ColumnSlot()
    } else {
      slots.elements[scope][slot] = ColumnSlot()
    }
  }
}
