extension LSMTree {
  /// Opens or creates a store. Blocks on disk I/O; the log is replayed.
  ///
  /// - Parameters:
  ///   - directory: made when it is missing, but not its parents. It belongs to this tree until ``close()``,
  ///     which must be called.
  /// - Throws: ``LSMError/lockHeld(path:)``; ``LSMError/corruption(_:)`` naming file and offset;
  ///   ``LSMError/unsupportedFormat(path:version:)``; ``LSMError/notFound(_:)`` when there is no store and
  ///   none may be made; what the file system throws. Nothing that was stored is lost by that.
  package static func open(
    _ fileSystem: any FileSystem, directory: String, options: TreeOptions = TreeOptions()
  ) throws(LSMError) -> LSMTree {
    guard options.isReadOnly else {
      let tree = LSMTree(try RecoveredStore(fileSystem, directory: directory, options: options))
      tree.startBackgroundWork()
      return tree
    }
    // A running server may replace files while they are looked for, or append to a log while it is read: the
    // next look sees a newer state. Real damage stays.
    for _ in 0..<readOnlyTries {
      do throws(LSMError) {
        return LSMTree(try RecoveredStore(fileSystem, directory: directory, options: options))
      } catch .corruption {
        continue
      }
    }
    return LSMTree(try RecoveredStore(fileSystem, directory: directory, options: options))
  }

  private static let readOnlyTries = 10
}
