/// A back end, as the code that is the same for all of them sees it.
///
/// Each back end makes its own; a program puts those it links into an ``EngineList``. Two are the same when their
/// names are.
package struct EngineDescriptor: Sendable {
  /// What `--engine` takes, and what the marker of a data directory has.
  package let name: String
  /// What its stores consist of.
  package let files: StoreFileNames
  private let likenessOfNames: @Sendable (_ names: [String]) -> StoreLikeness
  private let hasLock: @Sendable (_ directory: String) -> Bool
  private let listUntoldRepairs: @Sendable (_ directory: String) -> [String]
  private let openStore:
    @Sendable (_ directory: String, _ options: EngineOptions) throws(EngineError) ->
      any StorageEngine

  /// - Parameters:
  ///   - likeness: how surely a directory with files of these names holds a store of this engine.
  ///   - isLocked: see ``isLocked(_:)``.
  ///   - untoldRepairs: see ``untoldRepairs(in:)``; none of an engine whose repair reports to nobody.
  ///   - open: see ``open(_:options:)``.
  package init(
    name: String, files: StoreFileNames,
    likeness: @escaping @Sendable (_ names: [String]) -> StoreLikeness,
    isLocked: @escaping @Sendable (_ directory: String) -> Bool,
    untoldRepairs: @escaping @Sendable (_ directory: String) -> [String] = { _ in [] },
    open:
      @escaping @Sendable (_ directory: String, _ options: EngineOptions) throws(EngineError) ->
      any StorageEngine
  ) {
    self.name = name
    self.files = files
    likenessOfNames = likeness
    hasLock = isLocked
    listUntoldRepairs = untoldRepairs
    openStore = open
  }

  /// How surely a directory with files of these names holds a store of this engine.
  package func likeness(of names: [String]) -> StoreLikeness { likenessOfNames(names) }

  /// Whether another process is seen to have the store in `directory` open, by the engine's own lock. Takes no lock
  /// and changes nothing. False of an engine whose tools take that lock themselves.
  package func isLocked(_ directory: String) -> Bool { hasLock(directory) }

  /// Paths of files in which repairs of the store in `directory` have left what nobody has read.
  package func untoldRepairs(in directory: String) -> [String] { listUntoldRepairs(directory) }

  /// Opens the store in `directory`, replaying its log. Blocks on disk I/O.
  ///
  /// - Parameter directory: created when it is missing, but not its parents. It belongs to this engine
  ///   until ``StorageEngine/close()``.
  /// - Throws: ``EngineError/lockHeld(directory:)`` when it is open already;
  ///   ``EngineError/corruption(_:)`` when the log or the manifest is damaged.
  package func open(
    _ directory: String, options: EngineOptions = EngineOptions()
  ) throws(EngineError) -> any StorageEngine {
    try openStore(directory, options)
  }
}

extension EngineDescriptor: Hashable {
  package static func == (left: Self, right: Self) -> Bool { left.name == right.name }

  package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

extension EngineDescriptor: CustomStringConvertible {
  package var description: String { name }
}

/// How surely a directory holds a store of one engine, by the names of its files.
package enum StoreLikeness: Int, Comparable, Sendable {
  case none
  /// Files that engines of several families have.
  case possible
  /// Files that other engines of its family have too.
  case likely
  /// Files that no other engine has.
  case certain

  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
