import Glibc
import LSM
import TestSupport

extension MemoryFileSystem.State {
  typealias Node = MemoryFileSystem.Node
  typealias Inode = MemoryFileSystem.Inode

  /// How the call that was just counted fails; nil: not at all.
  func fault(_ operation: FileOperation, _ path: String) -> MemoryFileSystem.Fault? {
    faults[calls] ?? (ruledCalls.contains(calls) ? rule?(operation, path) : nil)
  }

  // MARK: - Names

  static func split(_ path: String) -> (directory: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return ("/", path) }
    let name = String(path[path.index(after: slash)...])
    return (slash == path.startIndex ? "/" : String(path[..<slash]), name)
  }

  func node(at path: String) -> Node? {
    if path == "/" { return .directory }
    let (directory, name) = Self.split(path)
    return directories[directory]?[name]?.last.flatMap { $0 }
  }

  func inode(at path: String) -> Int? {
    if case .file(let inode)? = node(at: path) { inode } else { nil }
  }

  func names(in directory: String) -> [String] {
    (directories[directory] ?? [:]).filter { $0.value.last.flatMap { $0 } != nil }.keys.sorted()
  }

  func requireDirectory(of path: String, _ operation: FileOperation) throws(LSMError) {
    guard directories[Self.split(path).directory] != nil else {
      throw .notFound(LSMError.Failure(operation, path: path, code: ENOENT))
    }
  }

  func requireFile(_ path: String, _ operation: FileOperation) throws(LSMError) -> Int {
    if node(at: path) == .directory {
      throw .io(LSMError.Failure(operation, path: path, code: EISDIR))
    }
    guard let inode = inode(at: path) else {
      throw .notFound(LSMError.Failure(operation, path: path, code: ENOENT))
    }
    return inode
  }

  mutating func set(_ path: String, _ node: Node?) {
    let (directory, name) = Self.split(path)
    directories[directory]?[name, default: [nil]].append(node)
  }

  mutating func addFile(_ path: String) -> Int {
    let inode = nextInode
    nextInode += 1
    inodes[inode] = Inode()
    set(path, .file(inode))
    return inode
  }

  // MARK: - Crash

  func afterCrash(_ random: inout SeededGenerator) -> MemoryFileSystem.State {
    var after = MemoryFileSystem.State()
    after.nextInode = nextInode
    // Sorted, so that equal seeds give equal states: the order of a dictionary changes between runs.
    for directory in directories.keys.sorted() {
      guard directory == "/" || after.node(at: directory) == .directory else { continue }
      after.directories[directory] = [:]
      let entries = directories[directory] ?? [:]
      for name in entries.keys.sorted() {
        let meanings = entries[name] ?? []
        guard let node = meanings[random.below(meanings.count)] else { continue }
        after.directories[directory]?[name] = [node]
        if case .file(let inode) = node, after.inodes[inode] == nil {
          after.inodes[inode] = inodes[inode]?.afterCrash(&random)
        }
      }
    }
    return after
  }
}

extension MemoryFileSystem.Inode {
  private static var blockBytes: Int { MemoryFileSystem.blockBytes }
  private static var sectorBytes: Int { MemoryFileSystem.sectorBytes }

  mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    guard !bytes.isEmpty else { return }
    let end = offset + bytes.count
    if end > content.count {
      content += [UInt8](repeating: 0, count: end - content.count)
      isSizeDirty = true
    }
    content.withUnsafeMutableBytes { content in
      UnsafeMutableRawBufferPointer(rebasing: content[offset..<end]).copyMemory(from: bytes)
    }
    for block in (offset / Self.blockBytes)...((end - 1) / Self.blockBytes) {
      dirtyBlocks.insert(block)
    }
  }

  mutating func truncate(to size: Int) {
    guard size < content.count else { return }
    content.removeLast(content.count - size)
    isSizeDirty = true
    dirtyBlocks = dirtyBlocks.filter { $0 * Self.blockBytes < size }
  }

  mutating func sync() {
    if isSizeDirty { setDurableSize(content.count) }
    for block in dirtyBlocks { writeBack(block) }
    dirtyBlocks = []
    isSizeDirty = false
  }

  /// What the kernel does after a failed write-back: nothing is dirty any more.
  mutating func loseDirtyBlocks() {
    for block in dirtyBlocks where block % 3 == 2 { writeBack(block) }
    dirtyBlocks = []
    isSizeDirty = false
  }

  private mutating func setDurableSize(_ size: Int) {
    if size > durable.count {
      durable += [UInt8](repeating: 0, count: size - durable.count)
    } else {
      durable.removeLast(durable.count - size)
    }
  }

  /// Writes a block to the disk, and lengthens the file there when the block is past its end.
  private mutating func writeBack(_ block: Int) {
    let end = min((block + 1) * Self.blockBytes, content.count)
    if end > durable.count { setDurableSize(end) }
    Self.copy(block * Self.blockBytes..<end, from: content, to: &durable)
  }

  private static func copy(_ range: Range<Int>, from source: [UInt8], to target: inout [UInt8]) {
    source.withUnsafeBytes { source in
      target.withUnsafeMutableBytes { target in
        UnsafeMutableRawBufferPointer(rebasing: target[range])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[range]))
      }
    }
  }

  func afterCrash(_ random: inout SeededGenerator) -> Self {
    var after = self
    after.dirtyBlocks = []
    after.isSizeDirty = false
    let kept = durable.count
    var size = kept
    if isSizeDirty, content.count < kept {
      if random.below(2) == 0 { size = content.count }
    } else if isSizeDirty {
      switch random.below(4) {
      case 0: break
      case 1, 2: size = content.count
      default: size += random.below(content.count - kept + 1)
      }
    }
    after.setDurableSize(size)
    if size > kept && random.below(4) == 0 {
      // Blocks that were never written may show what the disk held before.
      let old = random.bytes(97)
      for index in kept..<size { after.durable[index] = old[index % 97] }
    }
    for block in dirtyBlocks.sorted() {
      let begin = block * Self.blockBytes
      let end = min(begin + Self.blockBytes, size)
      let choice = random.below(4)
      if choice == 0 || begin >= end { continue }
      if choice > 1 {
        Self.copy(begin..<end, from: content, to: &after.durable)
        continue
      }
      for sector in stride(from: begin, to: end, by: Self.sectorBytes) where random.below(2) == 0 {
        Self.copy(sector..<min(sector + Self.sectorBytes, end), from: content, to: &after.durable)
      }
    }
    after.content = after.durable
    return after
  }
}
