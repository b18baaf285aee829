import Glibc

extension LSMTree {
  /// Writes a copy of the state of now, which opens as a store of its own. Blocks on disk I/O; writes go on
  /// meanwhile.
  ///
  /// Flushes first, so that the copy consists of tables alone: these are hard-linked, or copied where the
  /// file system does not link. `CURRENT` is written last: a copy cut short by a crash does not open.
  ///
  /// - Parameter target: must not exist; its parent must.
  /// - Throws: ``LSMError/alreadyExists(_:)``; what flush and file system throw.
  package func checkpoint(to target: String) throws(LSMError) {
    guard try !fileSystem.exists(target) else {
      throw .alreadyExists(.init(.createDirectory, path: target, code: EEXIST))
    }
    try flush()
    // The version stays whole as long as `held` lives: its files are not removed.
    let (held, edit) = state.withLock { state in (state.version, state.edit) }
    try fileSystem.createDirectory(target)
    for file in held.allFiles {
      let name = FileName.table(file.metadata.number)
      try fileSystem.linkOrCopy(name.path(in: directory), to: name.path(in: target))
    }
    try fileSystem.syncDirectory(target)
    var first = edit
    let number = first.nextFileNumber
    first.nextFileNumber = FileNumber(number.rawValue + 2)
    // The copy has no logs, and none of this store's will ever pass as its own.
    first.logNumber = 0
    let manifest = try Manifest(
      fileSystem, directory: target, store: .random(), number: number,
      temporary: FileNumber(number.rawValue + 1), state: first)
    try manifest.finish()
    try fileSystem.syncDirectory(FileName.parent(of: target))
  }

  /// Whether a directory has what a checkpoint writes, and not yet `CURRENT`. False when it cannot be listed.
  package func isUnfinishedCheckpoint(_ target: String) -> Bool {
    guard let names = try? fileSystem.list(target), !names.isEmpty else { return false }
    return names.allSatisfy { name in
      switch FileName(name) {
      case .table, .manifest, .temporary: true
      default: false
      }
    }
  }
}
