import Synchronization

/// What a caller of reflection may see: all of an index, or a part of one of its files and what belongs to it.
///
/// Thread-safety: immutable.
final class ReflectionView: Sendable {
  private let index: ReflectionIndex
  /// The file of which a part is there, and which part; nil when nothing of it can be.
  private let cut: (file: Int, part: DescriptorCut?)?
  private let hiddenFiles: Set<Int>
  /// Full names, sorted.
  let services: [String]

  /// All of an index.
  init(_ index: ReflectionIndex) {
    self.index = index
    cut = nil
    hiddenFiles = []
    services = index.services
  }

  /// A part of a file, and of the others those that are not there for what is cut away.
  init(_ index: ReflectionIndex, _ file: Int, _ part: DescriptorCut?) {
    self.index = index
    cut = (file, part)
    let whole = index.closure(of: [file]) { index.files[$0].dependencies }
    let left =
      part.map { part in
        index.closure(of: [file]) { $0 == file ? part.imports : index.files[$0].dependencies }
      } ?? []
    hiddenFiles = Set(whole).subtracting(left)
    services = index.services.filter { service in
      guard index.file(declaring: service) == file else { return true }
      return part?.shows(service) ?? false
    }
  }

  func descriptor(_ file: Int) -> [UInt8] {
    guard let cut, cut.file == file, let part = cut.part else {
      return index.files[file].descriptor
    }
    return part.descriptor
  }

  func file(named name: String) -> Int? { visible(index.file(named: name)) }

  /// - Parameter symbol: with or without a leading dot.
  func file(declaring symbol: String) -> Int? {
    guard let file = visible(index.file(declaring: symbol)) else { return nil }
    guard let cut, cut.file == file, let part = cut.part else { return file }
    return part.shows(ReflectionIndex.withoutDot(symbol)) ? file : nil
  }

  func file(extending type: String, _ number: Int32) -> Int? {
    guard let file = visible(index.file(extending: type, number)) else { return nil }
    guard let cut, cut.file == file, let part = cut.part else { return file }
    let extended = DescriptorTree.Extended(
      type: ReflectionIndex.withoutDot(type), number: number)
    return part.shows(extended) ? file : nil
  }

  /// The sorted numbers of a type's extensions; nil when the type is not known.
  func extensionNumbers(of type: String) -> [Int32]? {
    guard let numbers = index.extensionNumbers(of: type), file(declaring: type) != nil else {
      return nil
    }
    return numbers.filter { file(extending: type, $0) != nil }
  }

  /// The file and, after it, its imports and theirs that are not in `sent`, each once. All of them are in
  /// `sent` afterwards. Imports nobody gave to the index are left out.
  func closure(of root: Int, sent: inout Set<Int>) -> [Int] {
    let ordered = index.closure(of: [root], without: sent) { file in
      guard let cut, cut.file == file, let part = cut.part else {
        return index.files[file].dependencies
      }
      return part.imports
    }
    sent.formUnion(ordered)
    return ordered
  }

  private func visible(_ file: Int?) -> Int? {
    guard let file, !hiddenFiles.contains(file) else { return nil }
    return file
  }
}

/// The views of an index that callers have had, by what they may see.
///
/// Thread-safety: every call from any thread.
final class ReflectionViews: Sendable {
  /// Beyond that, or beyond so many bytes of their descriptors, they are made anew.
  private static let maximumKept = 64
  private static let maximumBytes = 16 << 20

  let whole: ReflectionView
  private let index: ReflectionIndex
  /// The file that declares the methods of the groups.
  private let file: Int?
  private let tree: DescriptorTree?
  /// The methods of each group.
  private let groups: [[Int]]
  private let made = Mutex(Made())

  private struct Made {
    var views: [[Bool]: ReflectionView] = [:]
    var bytes = 0
  }

  /// - Parameter groups: full names of methods.
  init(_ index: ReflectionIndex, groups: [[String]]) {
    self.index = index
    whole = ReflectionView(index)
    file = groups.lazy.joined().compactMap { index.file(declaring: $0) }.first
    let tree = file.flatMap { index.tree(of: $0) }
    self.tree = tree
    self.groups = groups.map { $0.compactMap { tree?.node(named: $0) } }
  }

  /// - Parameter shown: for each group whether it is.
  func view(_ shown: [Bool]) -> ReflectionView {
    guard let file, shown.contains(false) else { return whole }
    if let view = made.withLock({ $0.views[shown] }) { return view }
    var (visible, hidden): ([Int], [Int]) = ([], [])
    for (group, isShown) in zip(groups, shown) {
      if isShown { visible += group } else { hidden += group }
    }
    let part = tree.map { DescriptorCut($0, shown: visible, hidden: hidden) }
    let view = ReflectionView(index, file, part)
    made.withLock { made in
      if made.views.count >= Self.maximumKept || made.bytes >= Self.maximumBytes { made = Made() }
      made.views[shown] = view
      made.bytes += part?.descriptor.count ?? 0
    }
    return view
  }
}
