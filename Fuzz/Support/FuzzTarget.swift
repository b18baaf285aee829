import Glibc

/// One decoder under random bytes: docs/testing.md says how it is run.
///
/// A run ends in a trap, or in a report of the sanitizer, when the decoder breaks a promise. What it
/// refuses with an error of its own is as good as what it takes.
protocol FuzzTarget {
  /// On the command line, and of the folders that seeds and findings are kept in.
  static var name: String { get }
  /// Longer inputs are not made.
  static var maximumBytes: Int { get }
  /// What real encoders write: the inputs that mutation starts from.
  static func seeds() throws -> [[UInt8]]
  /// Checks one input.
  static func run(_ bytes: UnsafeRawBufferPointer)
}

/// All of them, in the order in which they are run.
enum FuzzTargets {
  static var all: [any FuzzTarget.Type] {
    [
      BlockTarget.self, BlockEntriesTarget.self, CompressedBlockTarget.self,
      BloomFilterTarget.self, TablePropertiesTarget.self, FooterTarget.self,
      TableTarget.self, TablePartsTarget.self,
      LogTarget.self, LogChunksTarget.self, LogRecoveryTarget.self,
      VersionEditTarget.self, ManifestTarget.self, CurrentFileTarget.self, BatchTarget.self,
      AccessFileTarget.self, GzipTarget.self, ConnectionTarget.self, ConnectionFramesTarget.self,
    ]
  }
}

/// Stops the run: the decoder broke a promise.
@inline(__always)
func require(
  _ condition: @autoclosure () -> Bool, _ promise: @autoclosure () -> String,
  file: StaticString = #fileID, line: UInt = #line
) {
  if !condition() { fatalError("broken promise: \(promise())", file: file, line: line) }
}
