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

  /// Files and, after them, their imports and theirs that are not in `sent`, each once. Imports nobody gave to the
  /// index are left out.
  ///
  /// - Parameter imports: the names of those of a file.
  func closure(
    of roots: [Int], without sent: Set<Int> = [], imports: (Int) -> [String]
  ) -> [Int] {
    var ordered = roots
    var known = sent.union(roots)
    var next = 0
    while next < ordered.count {
      for dependency in imports(ordered[next]) {
        guard let index = fileByName[dependency], known.insert(index).inserted else { continue }
        ordered.append(index)
      }
      next += 1
    }
    return ordered
  }

  /// What a file declares and uses; nil when its descriptor is malformed.
  func tree(of file: Int) -> DescriptorTree? {
    // By an import come its own types and those of the files that it imports publicly (protobuf.dev, "import public").
    let byImport = files[file].dependencies.map { name -> Set<Int> in
      guard let file = fileByName[name] else { return [] }
      return Set(closure(of: [file]) { publicImports(of: $0) })
    }
    return DescriptorTree(files[file].descriptor) { type in
      guard let file = fileBySymbol[type] else { return [] }
      return byImport.indices.filter { byImport[$0].contains(file) }
    }
  }

  private func publicImports(of file: Int) -> [String] {
    let bytes = files[file].descriptor
    guard let fields = DescriptorField.all(of: bytes, in: bytes.indices) else { return [] }
    let imports = DescriptorTree.imports(fields, bytes)
    return fields.filter { $0.number == DescriptorTree.Number.publicDependency }
      .flatMap { $0.numbers(bytes) }
      .compactMap { $0 < UInt64(imports.count) ? imports[Int($0)] : nil }
  }

  static func withoutDot(_ name: String) -> String {
    name.hasPrefix(".") ? String(name.dropFirst()) : name
  }
}
