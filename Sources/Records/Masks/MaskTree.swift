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
    let entries: [Entry]
    /// Whether an update needs no look at the whole of it: a few fields as a whole, none of a oneof.
    let isFlat: Bool

    init(_ entries: [Entry]) {
      self.entries = entries
      isFlat =
        entries.count <= 8
        && entries.allSatisfy { entry in
          if case .whole = entry.use { entry.oneof == nil } else { false }
        }
    }

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
    let compiler = try unsafe read(parts, message: message, plan: plan)
    guard !compiler.isEverything, !compiler.isEmpty else { return nil }
    return compiler.tree()
  }

  private static func read(
    _ parts: [UnsafeRawBufferPointer], message: Int, plan: RecordPlan
  ) throws(QueryError) -> MaskCompiler {
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
    return compiler
  }

  /// What an update replaces.
  package enum Update: Sendable {
    /// The mask is not set, or empty.
    case populated
    /// `*`
    case everything
    /// These fields; none, when the mask names fields of the key alone, which stay as they are.
    case fields(MaskTree)
  }

  /// The same for an update: fields of the key are left out, since they stay as they are.
  ///
  /// - Parameter keyFields: their numbers.
  @safe
  package static func compileUpdate(
    _ parts: [UnsafeRawBufferPointer], keyFields: [UInt32], message: Int, plan: RecordPlan
  ) throws(QueryError) -> Update {
    var compiler = try unsafe read(parts, message: message, plan: plan)
    if compiler.isEverything { return .everything }
    if compiler.isEmpty { return .populated }
    compiler.removeFields(keyFields)
    return .fields(compiler.tree(addsRequired: false))
  }

  /// The mask of an update that has none: what is populated in its record, repeated fields, maps and messages of
  /// `google.protobuf` as a whole, other messages field by field.
  ///
  /// - Parameters:
  ///   - record: is known to be a record of the message.
  ///   - keyFields: the numbers of the fields of the key, which are left out.
  @safe
  package static func populated(
    in record: UnsafeRawBufferPointer, keyFields: [UInt32], message: Int, plan: RecordPlan
  ) throws(RecordError) -> MaskTree {
    var compiler = MaskCompiler(plan: plan, message: message)
    try compiler.addPopulated(in: record, node: 0)
    compiler.removeFields(keyFields)
    return compiler.tree(addsRequired: false)
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
