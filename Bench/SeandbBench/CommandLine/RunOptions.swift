import ArgumentParser
import Engine
import Platform

/// What every command that measures takes.
struct RunOptions: ParsableArguments {
  @Option(help: "Replays the random choices of another run.")
  var seed: UInt64 = 1

  @Option(
    help: "Where to make a temporary directory for the stores (default: $TMPDIR or /var/tmp).",
    completion: .directory)
  var directory: String?

  @Option(help: "Also writes every figure of every round to this file.", completion: .file())
  var json: String?

  /// The file of `--json`, made first: not to find out after minutes that it cannot be written.
  func makeOutputFile() throws -> OutputFile? { try json.map { try OutputFile(path: $0) } }

  func makeScratchDirectory() throws -> ScratchDirectory {
    try ScratchDirectory(in: ScratchDirectory.parent(directory))
  }

  /// - Throws: when there are too few or too many.
  static func check(rounds: Int) throws {
    guard (1...1000).contains(rounds) else {
      throw ValidationError("--rounds must be from 1 to 1000")
    }
  }
}

/// What the stores keep in memory: as much as the server's, when nothing is said.
struct MemoryOptions: ParsableArguments {
  @Option(help: "A store's block cache: bytes, or with K, M or G.")
  var cacheSize = ByteSize(bytes: EngineOptions().cacheSizeBytes)

  @Option(help: "Size of a memtable: bytes, or with K, M or G.")
  var memtableSize = ByteSize(bytes: EngineOptions().memtableSizeBytes)
}

/// The programs that are run.
struct ProgramOptions: ParsableArguments {
  @Option(help: "The seandb program.", completion: .file())
  var seandb = ".build/seandb"

  @Option(help: "The directory of the peers' programs.", completion: .directory)
  var peers = ".build/peers/bin"
}
