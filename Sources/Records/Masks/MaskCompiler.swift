import Bytes
import Schema

// SAFETY: reads through the base of bytes that are lent until the return. ``WireScan`` checks every offset before it
// reads there.

/// Makes a ``MaskTree`` of paths.
struct MaskCompiler {
  let plan: RecordPlan
  private var nodes: [[UInt32: MaskTree.Entry]] = [[:]]
  /// The message of each node.
  private var messages: [Int]
  private(set) var isEverything = false

  init(plan: RecordPlan, message: Int) {
    self.plan = plan
    messages = [message]
  }

  var isEmpty: Bool { nodes[0].isEmpty }

  mutating func add(_ path: String) throws(QueryError) {
    if path == "*" {
      isEverything = true
      return
    }
    let names = path.split(separator: ".", omittingEmptySubsequences: false)
    guard names.count <= RecordPlan.maximumDepth else { throw .badMask(path: path, .tooLong) }
    var node = 0
    var isCovered = false
    for (index, name) in names.enumerated() {
      guard !name.isEmpty else { throw .badMask(path: path, .empty) }
      let message = messages[node]
      guard let field = plan.field(named: String(name), inMessage: message) else {
        throw .badMask(
          path: path, .unknownField(name: String(name), message: plan.messageNames[message]))
      }
      let isLast = index == names.count - 1
      guard isLast || !field.isRepeated else {
        throw .badMask(path: path, .throughRepeated(field: String(name)))
      }
      guard isLast || field.isMessage else {
        throw .badMask(path: path, .notAMessage(field: String(name)))
      }
      if isCovered {
        // A shorter path names it already; the rest is checked all the same.
        if !isLast { node = appendNode(plan.message(ofField: field.number, inMessage: message)) }
        continue
      }
      switch nodes[node][field.number]?.use {
      case .whole: isCovered = true
      case .part(let child) where !isLast:
        node = child
        continue
      default: break
      }
      if isLast || isCovered {
        nodes[node][field.number] = MaskTree.Entry(
          number: field.number, use: .whole, oneof: field.oneof)
      }
      guard !isLast else { break }
      let child = appendNode(plan.message(ofField: field.number, inMessage: message))
      if !isCovered {
        nodes[node][field.number] = MaskTree.Entry(
          number: field.number, use: .part(node: child), oneof: field.oneof)
      }
      node = child
    }
  }

  private mutating func appendNode(_ message: Int) -> Int {
    nodes.append([:])
    messages.append(message)
    return nodes.count - 1
  }

  /// Forgets fields of the message itself.
  mutating func removeFields(_ numbers: [UInt32]) {
    for number in numbers { nodes[0][number] = nil }
  }

  /// Adds what is populated in a message: of the schema, and no default of a field without presence.
  ///
  /// Of a oneof the last member is the one that is set.
  @safe
  mutating func addPopulated(
    in bytes: UnsafeRawBufferPointer, node: Int
  ) throws(RecordError) {
    guard let start = bytes.baseAddress else { return }
    // SAFETY: raw bytes may be read as UInt8, and are lent until the return.
    let base = unsafe start.assumingMemoryBound(to: UInt8.self)
    // Of a field without presence the last value counts.
    var isDefault: [UInt32: Bool] = [:]
    var offset = 0
    while offset < bytes.count {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, bytes.count)
      let valueStart = offset
      if wireType == 4 { break }
      try unsafe WireScan.skip(
        base, &offset, bytes.count, number: number, wireType: wireType, start: fieldStart, depth: 1)
      guard let field = plan.field(number, inMessage: messages[node]) else { continue }
      if let oneof = field.oneof {
        for (other, entry) in nodes[node] where other != number && entry.oneof == oneof {
          nodes[node][other] = nil
        }
      }
      // A packed row of no numbers.
      if field.isRepeated && !field.isMessage && wireType == 2,
        try unsafe isEmptyRow(number, node, base, valueStart, offset)
      {
        continue
      }
      let isParent = field.isMessage && !field.isRepeated && !field.isWellKnown
      guard isParent else {
        if !field.hasPresence && !field.isRepeated {
          isDefault[number] = try unsafe Self.isDefault(base, valueStart..<offset, wireType)
        }
        nodes[node][number] = MaskTree.Entry(number: number, use: .whole, oneof: field.oneof)
        continue
      }
      let child: Int
      if case .part(let known) = nodes[node][number]?.use {
        child = known
      } else {
        child = appendNode(plan.message(ofField: number, inMessage: messages[node]))
        nodes[node][number] = MaskTree.Entry(
          number: number, use: .part(node: child), oneof: field.oneof)
      }
      var inside = valueStart
      if wireType == 2 { _ = try unsafe WireScan.length(base, &inside, bytes.count) }
      try addPopulated(
        in: unsafe UnsafeRawBufferPointer(rebasing: bytes[inside..<offset]), node: child)
    }
    for (number, isDefault) in isDefault where isDefault { nodes[node][number] = nil }
  }

  /// Whether the value at `start` is a row of numbers that has none.
  private func isEmptyRow(
    _ number: UInt32, _ node: Int, _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int
  ) throws(RecordError) -> Bool {
    switch plan.kind(ofField: Int(number), inMessage: messages[node]) {
    case .repeatedVarint, .repeatedFixed32, .repeatedFixed64:
      var offset = start
      return try unsafe WireScan.length(base, &offset, end) == 0
    default: return false
    }
  }

  /// - Parameter range: of the value, the length of a text included.
  private static func isDefault(
    _ base: UnsafePointer<UInt8>, _ range: Range<Int>, _ wireType: UInt8
  ) throws(RecordError) -> Bool {
    var offset = range.lowerBound
    switch wireType {
    case 0: return try unsafe WireScan.varint(base, &offset, range.upperBound) == 0
    case 2: return try unsafe WireScan.length(base, &offset, range.upperBound) == 0
    default: break
    }
    // -0.0 is no default: its sign is set.
    for place in range where unsafe base[place] != 0 { return false }
    return true
  }

  /// - Parameter addsRequired: whether fields that a message must have are named, too.
  func tree(addsRequired: Bool = true) -> MaskTree {
    var hasOneofs = false
    let finished = nodes.indices.map { index in
      var entries = nodes[index]
      // Without them a decoder that knows `required` could not read the answer.
      for number in plan.requiredFields(ofMessage: messages[index])
      where addsRequired && entries[number] == nil {
        entries[number] = MaskTree.Entry(number: number, use: .whole, oneof: nil)
      }
      for oneof in Set(entries.values.compactMap(\.oneof)) {
        hasOneofs = true
        for member in plan.members(ofOneof: oneof, inMessage: messages[index])
        where entries[member.number] == nil {
          entries[member.number] = MaskTree.Entry(
            number: member.number, use: .unsets, oneof: oneof)
        }
      }
      return MaskTree.Node(entries.values.sorted { $0.number < $1.number })
    }
    return MaskTree(nodes: finished, hasOneofs: hasOneofs)
  }
}
