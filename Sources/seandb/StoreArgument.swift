import ArgumentParser
import Engine
import Glibc
import Records
import Server

/// The directory that a tool looks at.
struct StoreArgument: ParsableArguments {
  @Argument(
    help: "A data directory, or an engine's own directory.", completion: .directory)
  var directory: String

  /// Finds the store; ends the process when there is none.
  func locate() -> StoreLocation {
    do throws(DatabaseError) {
      let location = try StoreLocation(directory, among: .installed)
      if location.isInnerFolder, let parent = location.dataDirectory {
        Terminal.warn(
          "note: \(location.storePath) is the store inside of the data directory \(parent)")
      } else if !location.hasMarker, !location.isInnerFolder {
        Terminal.warn(
          "note: \(directory) has no readable marker (SEANDB); its engine is \(location.engine.name), by its files"
        )
      }
      return location
    } catch {
      Terminal.fail("\(error)")
    }
  }
}

extension StoreLocation {
  /// The store, opened without a lock and for reading; ends the process when it does not open.
  /// - Parameter advice: what to do when it does not open, in place of the engine's own.
  func openForReading(advice: String? = nil) -> any StorageEngine {
    var options = EngineOptions()
    options.isReadOnly = true
    options.createIfMissing = false
    do throws(DatabaseError) {
      // RocksDB ends the process over a file's number that it cannot have given.
      _ = try StoreFile.list(storePath, of: engine)
    } catch {
      Terminal.fail(error)
    }
    do throws(EngineError) {
      return try engine.open(storePath, options: options)
    } catch {
      switch error {
      case .corruption(let failure), .io(let failure), .other(let failure):
        if let advice { Terminal.fail("\(failure). \(advice)") }
      default: break
      }
      Terminal.fail(error)
    }
  }
}
