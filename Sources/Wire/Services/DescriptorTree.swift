/// The declarations of one serialized `FileDescriptorProto` (google/protobuf/descriptor.proto), and what each of them
/// uses. Fields are a part of their message, the values of an enum of it.
///
/// Thread-safety: an immutable value.
struct DescriptorTree: Sendable {
  enum Kind: Sendable {
    case message, enumeration, service, method, `extension`
  }

  struct Node: Sendable {
    let kind: Kind
    /// The message or the service that it is in.
    let parent: Int?
    /// Its field in the parent or the file, with the tag.
    let whole: Range<Int>
    /// Its own message.
    let value: Range<Int>
    var children: [Int] = []
    /// The declarations of this file that it does not go without.
    var uses: [Int] = []
    /// The declarations that use it.
    var usedBy: [Int] = []
    /// The imports whose types it uses, by their place among ``DescriptorTree/imports``.
    var imports: [Int] = []
  }

  /// What protoc writes of one extension.
  struct Extended: Hashable, Sendable {
    /// Full name of the extended message type.
    let type: String
    let number: Int32
  }

  let bytes: [UInt8]
  let fields: [DescriptorField]
  private(set) var nodes: [Node] = []
  /// Those that are in nothing else, in the order of the file.
  private(set) var topLevel: [Int] = []
  /// The names of the files that it imports.
  let imports: [String]

  private var byName: [String: Int] = [:]
  private var byExtended: [Extended: Int] = [:]
  /// Full names of types, by node.
  private var usedNames: [[String]] = []

  /// Field numbers of descriptor.proto.
  enum Number {
    static let name = 1
    static let (package, dependency, publicDependency, weakDependency) = (2, 3, 10, 11)
    static let (fileMessage, fileEnum, fileService, fileExtension) = (4, 5, 6, 7)
    static let sourceCodeInfo = 9
    static let (field, nestedMessage, nestedEnum, nestedExtension) = (2, 3, 4, 6)
    /// Of a service its methods, of an enum its values.
    static let member = 2
    static let (serviceOptions, fieldExtendee, fieldNumber, fieldType) = (3, 2, 3, 6)
    static let (methodInput, methodOutput) = (2, 3)
  }

  /// Messages nested deeper are taken for malformed; protoc allows 32 or so.
  private static let maximumDepth = 64

  /// Nil when the descriptor is malformed.
  ///
  /// - Parameter importsDeclaring: by which of the imports a type of another file comes, by its full name.
  init?(_ bytes: [UInt8], importsDeclaring: (String) -> [Int]) {
    guard let fields = DescriptorField.all(of: bytes, in: bytes.indices) else { return nil }
    self.bytes = bytes
    self.fields = fields
    imports = Self.imports(fields, bytes)
    let package = fields.string(Number.package, bytes) ?? ""
    for field in fields {
      guard let kind = Self.kind(ofFileField: field.number) else { continue }
      guard let node = read(kind, field, scope: package, parent: nil, depth: 0) else { return nil }
      topLevel.append(node)
    }
    for (node, names) in usedNames.enumerated() {
      for name in names {
        if let used = byName[name] {
          nodes[node].uses.append(used)
          nodes[used].usedBy.append(node)
        } else {
          nodes[node].imports += importsDeclaring(name)
        }
      }
    }
    usedNames = []
  }

  static func imports(_ fields: [DescriptorField], _ bytes: [UInt8]) -> [String] {
    fields.compactMap { field in
      guard field.number == Number.dependency else { return nil }
      return field.value.map { String(decoding: bytes[$0], as: UTF8.self) }
    }
  }

  static func kind(ofFileField number: Int) -> Kind? {
    switch number {
    case Number.fileMessage: .message
    case Number.fileEnum: .enumeration
    case Number.fileService: .service
    case Number.fileExtension: .extension
    default: nil
    }
  }

  static func kind(ofField number: Int, in parent: Kind) -> Kind? {
    switch (parent, number) {
    case (.message, Number.nestedMessage): .message
    case (.message, Number.nestedEnum): .enumeration
    case (.service, Number.member): .method
    default: nil
    }
  }

  // MARK: - Reading

  private mutating func read(
    _ kind: Kind, _ field: DescriptorField, scope: String, parent: Int?, depth: Int
  ) -> Int? {
    guard depth < Self.maximumDepth, let value = field.value,
      let parts = DescriptorField.all(of: bytes, in: value),
      let name = parts.string(Number.name, bytes)
    else { return nil }
    let node = nodes.count
    let fullName = scope.isEmpty ? name : "\(scope).\(name)"
    byName[fullName] = node
    nodes.append(Node(kind: kind, parent: parent, whole: field.whole, value: value))
    usedNames.append([])
    switch kind {
    case .method: use(parts, [Number.methodInput, Number.methodOutput], by: node)
    case .extension: readExtension(parts, node)
    case .message, .enumeration, .service: break
    }
    for part in parts {
      if let kind = Self.kind(ofField: part.number, in: kind) {
        guard let child = read(kind, part, scope: fullName, parent: node, depth: depth + 1) else {
          return nil
        }
        nodes[node].children.append(child)
      } else if kind == .message, [Number.field, Number.nestedExtension].contains(part.number) {
        guard let inner = part.value.flatMap({ DescriptorField.all(of: bytes, in: $0) }) else {
          return nil
        }
        if part.number == Number.field {
          use(inner, [Number.fieldType], by: node)
        } else {
          readExtension(inner, node)
        }
      } else if kind == .enumeration, part.number == Number.member {
        let inner = part.value.flatMap { DescriptorField.all(of: bytes, in: $0) }
        guard let value = inner?.string(Number.name, bytes) else { return nil }
        // As in C++, values are beside their enum.
        byName[scope.isEmpty ? value : "\(scope).\(value)"] = node
      }
    }
    return node
  }

  private mutating func readExtension(_ parts: [DescriptorField], _ node: Int) {
    use(parts, [Number.fieldType, Number.fieldExtendee], by: node)
    guard let type = parts.string(Number.fieldExtendee, bytes),
      let number = parts.last(where: { $0.number == Number.fieldNumber })?.varint
    else { return }
    let extended = Extended(type: Self.withoutDot(type), number: Int32(truncatingIfNeeded: number))
    byExtended[extended] = node
  }

  private mutating func use(_ parts: [DescriptorField], _ numbers: [Int], by node: Int) {
    for number in numbers {
      guard let name = parts.string(number, bytes) else { continue }
      usedNames[node].append(Self.withoutDot(name))
    }
  }

  private static func withoutDot(_ name: String) -> String { String(name.drop { $0 == "." }) }

  // MARK: - Names

  /// The declaration with a full name.
  func node(named name: String) -> Int? { byName[name] }

  /// The declaration that has a full name, or a part of which has it (a field, a oneof, an enum's value); nil when
  /// there is none.
  func owner(of symbol: String) -> (node: Int, isPart: Bool)? {
    if let node = byName[symbol] { return (node, false) }
    guard let dot = symbol.lastIndex(of: "."), let node = byName[String(symbol[..<dot])] else {
      return nil
    }
    return (node, true)
  }

  /// What declares an extension: itself, or the message that it is in.
  func owner(of extended: Extended) -> Int? { byExtended[extended] }
}
