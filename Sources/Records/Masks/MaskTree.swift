package import Schema

// SAFETY: the parts of a mask are lent until `compile` returns; names are copied.

/// The fields that a `FieldMask` names, as a tree of field numbers, compiled for one message of a ``RecordPlan``.
///
/// Thread-safety: an immutable value.
package struct MaskTree: Sendable {
  /// How long a mask may be: a request must not keep an event loop busy with names.
  package static let maximumBytes = 16 << 10

  struct Entry: Sendable {
    enum Use: Sendable {
      /// The field as a whole.
      case whole
      /// What this node names of the message in it.
      case part(node: Int)
      /// Nothing of it; but it unsets the other members of its oneof.
      case unsets
    }

    let number: UInt32
    var use: Use
    /// The oneof that it is a member of; nil for none.
    let oneof: Int?
  }

  struct Node: Sendable {
    /// Ascending by number.
    var entries: [Entry]

    @inline(__always)
    func entry(_ number: UInt32) -> Int? {
      // A mask names few fields of a message.
      for index in entries.indices where entries[index].number >= number {
        return entries[index].number == number ? index : nil
      }
      return nil
    }
  }

  /// The root is the first.
  let nodes: [Node]
  /// Whether a field of any node is a member of a oneof: what is set can only be told at the end of the record.
  let hasOneofs: Bool

  /// - Parameter parts: `FieldMask` messages, which count as one.
  /// - Returns: nil when the mask names nothing, or everything by `*`.
  @safe
  package static func compile(
    _ parts: [UnsafeRawBufferPointer], message: Int, plan: RecordPlan
  ) throws(QueryError) -> MaskTree? {
    // A client has one part; who joins queries has a few.
    let byteCount = unsafe parts.reduce(0) { $0 + $1.count }
    guard unsafe parts.count <= 1000, byteCount <= maximumBytes else {
      throw .badMask(path: "", .tooLong)
    }
    var compiler = MaskCompiler(plan: plan, message: message)
    for index in unsafe parts.indices {
      // A FieldMask has its paths where a list has its records.
      var reader = unsafe RecordBatchReader(parts[index])
      while let path = try unsafe next(&reader) {
        try unsafe compiler.add(String(decoding: path, as: UTF8.self))
      }
    }
    guard !compiler.isEverything, !compiler.isEmpty else { return nil }
    return compiler.tree()
  }

  /// The same for paths of the schema, which are known to be there.
  static func compile(paths: [String], message: Int, plan: RecordPlan) -> MaskTree? {
    var compiler = MaskCompiler(plan: plan, message: message)
    for path in paths {
      do throws(QueryError) {
        try compiler.add(path)
      } catch {
        preconditionFailure("a path of the schema is there: \(path)")
      }
    }
    return compiler.isEmpty ? nil : compiler.tree()
  }

  /// Whether a copy by this mask has all that a copy by the other one has.
  func covers(_ other: MaskTree) -> Bool { covers(other, node: 0, otherNode: 0) }

  private func covers(_ other: MaskTree, node: Int, otherNode: Int) -> Bool {
    other.nodes[otherNode].entries.allSatisfy { wanted in
      if case .unsets = wanted.use { return true }
      guard let found = nodes[node].entry(wanted.number) else { return false }
      switch (nodes[node].entries[found].use, wanted.use) {
      case (.whole, _): return true
      case (.part(let child), .part(let otherChild)):
        return covers(other, node: child, otherNode: otherChild)
      default: return false
      }
    }
  }

  private static func next(
    _ reader: inout RecordBatchReader
  ) throws(QueryError) -> UnsafeRawBufferPointer? {
    do throws(RecordError) {
      return try unsafe reader.next()
    } catch {
      throw .badMask(path: "", .malformed)
    }
  }
}

/// Makes a ``MaskTree`` of paths.
private struct MaskCompiler {
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

  func tree() -> MaskTree {
    var hasOneofs = false
    let finished = nodes.indices.map { index in
      var entries = nodes[index]
      // Without them a decoder that knows `required` could not read the answer.
      for number in plan.requiredFields(ofMessage: messages[index]) where entries[number] == nil {
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
      return MaskTree.Node(entries: entries.values.sorted { $0.number < $1.number })
    }
    return MaskTree(nodes: finished, hasOneofs: hasOneofs)
  }
}
