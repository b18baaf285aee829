/// Everything reflection can be asked, looked up once. Immutable.
struct ReflectionIndex: Sendable {
  let files: [ReflectionFile]
  /// Full names of the services, sorted.
  let services: [String]

  private var fileByName: [String: Int] = [:]
  private var fileBySymbol: [String: Int] = [:]
  private var messages: Set<String> = []
  private var extensions: [String: [Int32: Int]] = [:]

  /// - Parameter files: of two with one name the first counts.
  init(files: [ReflectionFile], services: [String]) {
    self.files = files
    self.services = Set(services).sorted()
    for (index, file) in files.enumerated() where fileByName[file.name] == nil {
      fileByName[file.name] = index
      let declared = DescriptorSymbols(file.descriptor)
      for symbol in declared.symbols where fileBySymbol[symbol] == nil {
        fileBySymbol[symbol] = index
      }
      messages.formUnion(declared.messages)
      for found in declared.extensions {
        extensions[found.type, default: [:]][found.number] = index
      }
    }
  }

  func file(named name: String) -> Int? { fileByName[name] }

  /// - Parameter symbol: with or without a leading dot.
  func file(declaring symbol: String) -> Int? { fileBySymbol[Self.withoutDot(symbol)] }

  func file(extending type: String, _ number: Int32) -> Int? {
    extensions[Self.withoutDot(type)]?[number]
  }

  /// The sorted numbers of a type's extensions; nil when the type is not known.
  func extensionNumbers(of type: String) -> [Int32]? {
    let type = Self.withoutDot(type)
    guard messages.contains(type) else { return nil }
    return (extensions[type]?.keys).map { $0.sorted() } ?? []
  }

  /// The file and, after it, its imports and theirs that are not in `sent`, each once. All of them are in
  /// `sent` afterwards. Imports nobody gave to the index are left out.
  func closure(of root: Int, sent: inout Set<Int>) -> [Int] {
    var ordered = [root]
    var known = sent.union([root])
    var next = 0
    while next < ordered.count {
      for dependency in files[ordered[next]].dependencies {
        guard let index = fileByName[dependency], known.insert(index).inserted else { continue }
        ordered.append(index)
      }
      next += 1
    }
    sent.formUnion(ordered)
    return ordered
  }

  private static func withoutDot(_ name: String) -> String {
    name.hasPrefix(".") ? String(name.dropFirst()) : name
  }
}
