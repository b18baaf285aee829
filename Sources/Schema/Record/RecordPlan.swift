import SwiftProtobuf

/// What paths of a mask need to know of a field.
package struct NamedField: Sendable {
  /// In the schema, 1 to 2^29 - 1.
  package let number: UInt32
  /// Also for a map.
  package let isRepeated: Bool
  /// Whether it holds a message or a group.
  package let isMessage: Bool
  /// Its place among the message's oneofs; nil for a field outside of them, and for one that is merely `optional`.
  package let oneof: Int?
  /// Whether an absent field is unset, and not its default. Also false of a repeated field.
  package let hasPresence: Bool
  /// Whether its message is a value to people, as a time is, and no record of fields: one of `google.protobuf`.
  package let isWellKnown: Bool

  /// - Parameter isProto2: see ``MessageTypes/Entry``.
  init(_ field: Google_Protobuf_FieldDescriptorProto, isProto2: Bool) {
    number = UInt32(truncatingIfNeeded: field.number)
    isRepeated = field.label == .repeated
    isMessage = field.type == .message || field.type == .group
    oneof = field.hasOneofIndex && !field.proto3Optional ? Int(field.oneofIndex) : nil
    hasPresence = FieldPaths.hasPresence(field, isProto2: isProto2)
    isWellKnown = isMessage && field.typeName.hasPrefix(".google.protobuf.")
  }
}

/// The tables by which records are checked, compiled from the descriptors of a schema.
///
/// Thread-safety: immutable after `init`; any number of threads may check records at the same time.
///
/// Unsafe island: owns three tables that are written in `init` alone and freed in `deinit`.
/// Invariants:
/// 1. For each message, `dense..<dense + denseCount` lies in `denseFields`, and
///    `sparse..<sparse + sparseCount` in `sparseFields`, ascending by number.
/// 2. The `message` of a field of kind `message` or `group` is an index into `messages`.
@safe
package final class RecordPlan: Sendable {
  /// How deep messages and groups may nest, where the record itself counts as one: it is one level
  /// inside the list message of every answer, and common decoders stop at 100 levels.
  package static let maximumDepth = 100
  /// In bytes.
  package static let maximumKeySize = 4096

  /// Field numbers below this are looked up by index.
  private static let denseLimit = 64

  struct Field: BitwiseCopyable {
    let message: UInt32
    let kind: WireKind
    let wireTypes: UInt8

    static let unknown = Field(message: 0, kind: .unknown, wireTypes: WireKind.unknown.wireTypes)
  }

  struct SparseField: BitwiseCopyable {
    let number: UInt32
    let field: Field
  }

  struct MessageTable: BitwiseCopyable {
    let dense: Int
    let denseCount: UInt32
    let sparseCount: UInt32
    let sparse: Int
    /// The message's part of ``RecordPlan/requiredFields``.
    let required: UInt32
    let requiredCount: UInt32
  }

  // SAFETY (of nonisolated(unsafe)): the memory is written before `init` returns and never after
  // it.
  nonisolated(unsafe) let messages: UnsafePointer<MessageTable>
  nonisolated(unsafe) let denseFields: UnsafePointer<Field>
  nonisolated(unsafe) let sparseFields: UnsafePointer<SparseField>
  /// The numbers of all `required` fields, which only imported proto2 files have, by message.
  let requiredFields: [UInt32]

  /// The full names of all messages, without the leading dot.
  package let messageNames: [String]
  private let fieldNames: [[UInt32: String]]
  private let fieldsByName: [[String: NamedField]]
  private let indices: [String: Int]

  /// - Throws: `damaged` when a field's type is not among the files.
  init(_ files: [Google_Protobuf_FileDescriptorProto]) throws(SchemaError) {
    var declarations: [(name: String, message: Google_Protobuf_DescriptorProto)] = []
    // Their places among the declarations.
    var proto2Messages = Set<Int>()
    for file in files {
      let first = declarations.count
      let scope = file.package.isEmpty ? "" : file.package + "."
      for message in file.messageType { Self.collect(message, scope: scope, into: &declarations) }
      if file.syntax != "proto3" { proto2Messages.formUnion(first..<declarations.count) }
    }
    let indices = Dictionary(
      declarations.indices.map { (declarations[$0].name, $0) },
      uniquingKeysWith: { first, _ in first }
    )
    var tables: [MessageTable] = []
    var dense: [Field] = []
    var sparse: [SparseField] = []
    var required: [UInt32] = []
    for (name, message) in declarations {
      let denseStart = dense.count
      let sparseStart = sparse.count
      let fields = message.field.sorted { $0.number < $1.number }
      for field in fields {
        guard field.number > 0, field.number < 1 << 29 else {
          throw .damaged(.inconsistentDescriptors("\(name).\(field.name) has no valid number"))
        }
        let kind = WireKind(field)
        var target = 0
        if kind == .message || kind == .group {
          guard let index = indices[String(field.typeName.dropFirst())] else {
            throw .damaged(
              .inconsistentDescriptors("\(name).\(field.name): no message \(field.typeName)"))
          }
          target = index
        }
        let entry = Field(
          message: UInt32(truncatingIfNeeded: target), kind: kind, wireTypes: kind.wireTypes)
        if field.number < Self.denseLimit {
          while dense.count - denseStart < Int(field.number) { dense.append(.unknown) }
          // A number given twice would shift all that follow; no protoc accepts it.
          guard dense.count - denseStart == Int(field.number) else {
            throw .damaged(.inconsistentDescriptors("\(name) has number \(field.number) twice"))
          }
          dense.append(entry)
        } else {
          sparse.append(SparseField(number: UInt32(field.number), field: entry))
        }
      }
      let requiredStart = required.count
      for field in fields where field.label == .required { required.append(UInt32(field.number)) }
      tables.append(
        MessageTable(
          dense: denseStart, denseCount: UInt32(dense.count - denseStart),
          sparseCount: UInt32(sparse.count - sparseStart), sparse: sparseStart,
          required: UInt32(requiredStart), requiredCount: UInt32(required.count - requiredStart)))
    }
    unsafe messages = Self.copy(tables)
    unsafe denseFields = Self.copy(dense)
    unsafe sparseFields = Self.copy(sparse)
    requiredFields = required
    messageNames = declarations.map(\.name)
    fieldNames = declarations.map { declaration in
      Dictionary(
        declaration.message.field.map { (UInt32($0.number), $0.name) },
        uniquingKeysWith: { first, _ in first })
    }
    fieldsByName = declarations.enumerated().map { index, declaration in
      let isProto2 = proto2Messages.contains(index)
      return Dictionary(
        declaration.message.field.map { ($0.name, NamedField($0, isProto2: isProto2)) },
        uniquingKeysWith: { first, _ in first })
    }
    self.indices = indices
  }

  deinit {
    unsafe messages.deallocate()
    unsafe denseFields.deallocate()
    unsafe sparseFields.deallocate()
  }

  private static func copy<Element: BitwiseCopyable>(
    _ elements: [Element]
  ) -> UnsafePointer<Element> {
    let memory = UnsafeMutablePointer<Element>.allocate(capacity: max(elements.count, 1))
    // SAFETY: `memory` has room for all elements, and they need no deinitialisation.
    unsafe elements.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { unsafe memory.initialize(from: base, count: source.count) }
    }
    return unsafe UnsafePointer(memory)
  }

  private static func collect(
    _ message: Google_Protobuf_DescriptorProto, scope: String,
    into declarations: inout [(name: String, message: Google_Protobuf_DescriptorProto)]
  ) {
    let name = scope + message.name
    declarations.append((name, message))
    for nested in message.nestedType { collect(nested, scope: name + ".", into: &declarations) }
  }

  // MARK: - Looking up

  /// The index of a message by its full name without a leading dot.
  package func index(ofMessage fullName: String) -> Int? { indices[fullName] }

  /// - Precondition: `message` is an index that this plan gave.
  package func kind(ofField number: Int, inMessage message: Int) -> WireKind {
    precondition(message >= 0 && message < messageNames.count)
    guard number > 0, number < 1 << 29 else { return .unknown }
    return unsafe field(UInt32(number), of: messages[message]).kind
  }

  func name(ofField number: UInt32, inMessage message: Int) -> String? {
    fieldNames.indices.contains(message) ? fieldNames[message][number] : nil
  }

  /// The field that is called `name` in the schema.
  /// - Precondition: `message` is an index that this plan gave.
  package func field(named name: String, inMessage message: Int) -> NamedField? {
    fieldsByName[message][name]
  }

  /// The field with a number; nil when the schema has none.
  /// - Precondition: as above.
  package func field(_ number: UInt32, inMessage message: Int) -> NamedField? {
    fieldNames[message][number].flatMap { fieldsByName[message][$0] }
  }

  /// The place of a field's oneof among the message's; nil when it is in none.
  /// - Precondition: as above.
  package func oneof(ofField number: UInt32, inMessage message: Int) -> Int? {
    fieldsByName[message].values.first { $0.number == number }?.oneof
  }

  /// The members of a `oneof`.
  /// - Precondition: as above.
  package func members(ofOneof oneof: Int, inMessage message: Int) -> [NamedField] {
    fieldsByName[message].values.filter { $0.oneof == oneof }
  }

  /// The numbers of the fields that a message must have; only imported proto2 files have such.
  /// - Precondition: as above.
  package func requiredFields(ofMessage message: Int) -> ArraySlice<UInt32> {
    precondition(message >= 0 && message < messageNames.count)
    // SAFETY: invariant 1.
    let table = unsafe messages[message]
    return requiredFields[Int(table.required)..<Int(table.required) + Int(table.requiredCount)]
  }

  /// Whether messages have to have fields at all.
  package var hasRequiredFields: Bool { !requiredFields.isEmpty }

  /// The message that a field of kind `message` or `group` holds.
  package func message(ofField number: UInt32, inMessage message: Int) -> Int {
    precondition(message >= 0 && message < messageNames.count)
    return unsafe Int(field(number, of: messages[message]).message)
  }

  @inline(__always)
  func field(_ number: UInt32, of table: MessageTable) -> Field {
    // SAFETY: invariant 1.
    if number < table.denseCount { return unsafe denseFields[table.dense &+ Int(number)] }
    return table.sparseCount == 0 ? .unknown : sparseField(number, of: table)
  }

  @inline(never)
  private func sparseField(_ number: UInt32, of table: MessageTable) -> Field {
    var low = table.sparse
    var high = low + Int(table.sparseCount)
    // SAFETY: invariant 1; `middle` stays within the message's part of the table.
    while low < high {
      let middle = (low + high) / 2
      let candidate = unsafe sparseFields[middle]
      if candidate.number == number { return candidate.field }
      if candidate.number < number { low = middle + 1 } else { high = middle }
    }
    return .unknown
  }
}
