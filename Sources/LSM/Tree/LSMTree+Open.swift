extension LSMTree {
  /// Opens or creates a store. Blocks on disk I/O; the log is replayed.
  ///
  /// - Parameters:
  ///   - directory: made when it is missing, but not its parents. It belongs to this tree until ``close()``,
  ///     which must be called.
  /// - Throws: ``LSMError/lockHeld(path:)``; ``LSMError/corruption(_:)`` naming file and offset;
  ///   ``LSMError/unsupportedFormat(path:version:)``; ``LSMError/notFound(_:)`` when there is no store and
  ///   none may be made; ``LSMError/changing(path:)`` for reading beside a server that is too busy; what the
  ///   file system throws. Nothing that was stored is lost by that.
  package static func open(
    _ fileSystem: any FileSystem, directory: String, options: TreeOptions = TreeOptions()
  ) throws(LSMError) -> LSMTree {
    guard options.isReadOnly else {
      let tree = LSMTree(try RecoveredStore(fileSystem, directory: directory, options: options))
      tree.startBackgroundWork()
      return tree
    }
    return try LookingAgain.until(directory) { () throws(LSMError) in
      LSMTree(try RecoveredStore(fileSystem, directory: directory, options: options))
    }
  }
}
