import Engine
import EngineLSM
import EngineRocksDB
import Records
import Server

/// A back end that this program links, with its tools. What stands below is the only place that names
/// them all.
struct InstalledEngine: Sendable {
  let descriptor: EngineDescriptor
  let tools: any StoreTools.Type

  static let all = [
    InstalledEngine(descriptor: .rocksDB, tools: RocksDBTools.self),
    InstalledEngine(descriptor: .lsm, tools: LSMTools.self),
  ]
}

extension EngineList {
  /// Those that this program links; RocksDB is the standard one.
  static let installed = EngineList(InstalledEngine.all.map(\.descriptor))
}

extension StoreLocation {
  /// The tools of the store's engine.
  var tools: any StoreTools.Type {
    guard let installed = InstalledEngine.all.first(where: { $0.descriptor == engine }) else {
      preconditionFailure("a store was found of an engine that is not installed")
    }
    return installed.tools
  }
}

/// `--engine`.
struct EngineFlag: WordFlag {
  let engine: EngineDescriptor

  init?(rawValue: String) {
    guard let engine = EngineList.installed.named(rawValue) else { return nil }
    self.engine = engine
  }

  private init(_ engine: EngineDescriptor) { self.engine = engine }

  var rawValue: String { engine.name }
  static var allCases: [EngineFlag] { EngineList.installed.all.map(EngineFlag.init) }
}
