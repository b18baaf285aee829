import Bytes

/// A file without some of the methods of its services, and without what only those use.
///
/// It is whole by itself: nothing that is left uses what is not. A message that only holds what others use, such as an
/// enum, is left with that alone. What no method uses is left unless it uses what is not.
///
/// Thread-safety: an immutable value.
struct DescriptorCut: Sendable {
  /// How much of a declaration is there.
  private enum Extent: UInt8 {
    case nothing
    /// The name, and some of what is in it.
    case shell
    case all
  }

  private let tree: DescriptorTree
  private let extents: [Extent]
  /// The serialized `FileDescriptorProto`.
  let descriptor: [UInt8]
  /// The names of the files that it imports: without those that only what was cut away needs.
  let imports: [String]

  /// O(declarations of the file and what they use).
  init(_ tree: DescriptorTree, shown: [Int], hidden: [Int]) {
    var kept = Reach(tree)
    kept.add(shown)
    var cut = Reach(tree)
    cut.add(hidden)
    let gone = tree.nodes.indices.filter { cut.extents[$0] == .all && kept.extents[$0] != .all }
    let needsGone = Self.users(of: gone, in: tree)
    for node in tree.topLevel
    where kept.extents[node] == .nothing && cut.extents[node] == .nothing && !needsGone[node] {
      kept.add([node])
    }
    var (wanted, unwanted) = (Set<Int>(), Set<Int>())
    for (node, extent) in kept.extents.enumerated() {
      if extent == .all {
        wanted.formUnion(tree.nodes[node].imports)
      } else {
        unwanted.formUnion(tree.nodes[node].imports)
      }
    }
    let keepsImport = tree.imports.indices.map { wanted.contains($0) || !unwanted.contains($0) }
    self.tree = tree
    extents = kept.extents
    imports = zip(tree.imports, keepsImport).filter(\.1).map(\.0)
    descriptor = Writer(tree: tree, extents: kept.extents, keepsImport: keepsImport).file()
  }

  /// For each declaration whether it is one of these, or does not go without one.
  private static func users(of nodes: [Int], in tree: DescriptorTree) -> [Bool] {
    var (isUser, waiting) = (tree.nodes.map { _ in false }, nodes)
    while let node = waiting.popLast() {
      guard !isUser[node] else { continue }
      isUser[node] = true
      waiting += tree.nodes[node].usedBy
      if let parent = tree.nodes[node].parent { waiting.append(parent) }
    }
    return isUser
  }

  /// Whether a full name of the file is there.
  func shows(_ symbol: String) -> Bool {
    guard let (node, isPart) = tree.owner(of: symbol) else { return false }
    return extents[node] == .all || extents[node] == .shell && !isPart
  }

  /// Whether an extension that the file declares is there.
  func shows(_ extended: DescriptorTree.Extended) -> Bool {
    tree.owner(of: extended).map { extents[$0] == .all } ?? false
  }

  /// What declarations need: all that they use, all that is in them, and the names of what they are in.
  private struct Reach {
    let tree: DescriptorTree
    private(set) var extents: [Extent]

    init(_ tree: DescriptorTree) {
      self.tree = tree
      extents = Array(repeating: .nothing, count: tree.nodes.count)
    }

    mutating func add(_ nodes: [Int]) {
      var waiting = nodes
      while let node = waiting.popLast() {
        guard extents[node] != .all else { continue }
        extents[node] = .all
        waiting += tree.nodes[node].uses
        waiting += tree.nodes[node].children
        var parent = tree.nodes[node].parent
        while let outer = parent, extents[outer] == .nothing {
          extents[outer] = .shell
          parent = tree.nodes[outer].parent
        }
      }
    }
  }

  // MARK: - Writing

  private struct Writer {
    let tree: DescriptorTree
    let extents: [Extent]
    let keepsImport: [Bool]

    private typealias Number = DescriptorTree.Number

    /// Fields that are not cut keep their bytes and their order.
    func file() -> [UInt8] {
      var output: [UInt8] = []
      var (nodes, imports) = (tree.topLevel[...], 0)
      for field in tree.fields {
        switch field.number {
        case Number.fileMessage, Number.fileEnum, Number.fileService, Number.fileExtension:
          if let node = nodes.popFirst() { append(node, field.number, &output) }
        case Number.dependency where field.value != nil:
          if keepsImport[imports] { output += tree.bytes[field.whole] }
          imports += 1
        case Number.publicDependency, Number.weakDependency:
          for index in field.numbers(tree.bytes) {
            guard let place = place(ofImport: index) else { continue }
            output += Self.field(field.number, varint: UInt64(place))
          }
        case Number.sourceCodeInfo:
          let comments = DescriptorComments(
            tree: tree, places: places(), methods: methodPlaces())
          if let value = field.value { output += Self.field(field.number, comments.kept(value)) }
        default: output += tree.bytes[field.whole]
        }
      }
      return output
    }

    private func append(_ node: Int, _ number: Int, _ output: inout [UInt8]) {
      switch extents[node] {
      case .nothing: break
      case .all: output += tree.bytes[tree.nodes[node].whole]
      case .shell: output += Self.field(number, shell(node))
      }
    }

    private func shell(_ node: Int) -> [UInt8] {
      let (kind, value) = (tree.nodes[node].kind, tree.nodes[node].value)
      var output: [UInt8] = []
      var children = tree.nodes[node].children[...]
      for field in DescriptorField.all(of: tree.bytes, in: value) ?? [] {
        let isOption = kind == .service && field.number == Number.serviceOptions
        if DescriptorTree.kind(ofField: field.number, in: kind) != nil {
          if let child = children.popFirst() { append(child, field.number, &output) }
        } else if field.number == Number.name || isOption {
          output += tree.bytes[field.whole]
        }
      }
      return output
    }

    private func place(ofImport index: UInt64) -> Int? {
      guard index < UInt64(keepsImport.count), keepsImport[Int(index)] else { return nil }
      return keepsImport[..<Int(index)].count { $0 }
    }

    /// Where declarations come to be among those of their kind; nil of those that are not there, and of messages that
    /// are not all there: they have no comments.
    private func places() -> [DescriptorTree.Kind: [Int?]] {
      var (places, counts): ([DescriptorTree.Kind: [Int?]], [DescriptorTree.Kind: Int]) = ([:], [:])
      for node in tree.topLevel {
        let kind = tree.nodes[node].kind
        let isWhole = extents[node] == .all || extents[node] == .shell && kind == .service
        places[kind, default: []].append(isWhole ? counts[kind, default: 0] : nil)
        if extents[node] != .nothing { counts[kind, default: 0] += 1 }
      }
      return places
    }

    /// The same for the methods of each service.
    private func methodPlaces() -> [[Int?]] {
      tree.topLevel.filter { tree.nodes[$0].kind == .service }.map { service in
        var count = 0
        return tree.nodes[service].children.map { method in
          guard extents[method] == .all else { return nil }
          count += 1
          return count - 1
        }
      }
    }

    static func field(_ number: Int, _ value: [UInt8]) -> [UInt8] {
      var writer = ByteWriter()
      writer.appendField(number, value)
      return writer.array()
    }

    static func field(_ number: Int, varint: UInt64) -> [UInt8] {
      var writer = ByteWriter()
      writer.appendField(number, varint: varint)
      return writer.array()
    }
  }
}
