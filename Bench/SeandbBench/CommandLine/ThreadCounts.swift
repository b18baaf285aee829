import ArgumentParser

/// `1,4`: how many threads share the operations of a workload.
package struct ThreadCounts: ExpressibleByArgument, Sendable {
  /// In the order given, each once; at least one.
  package let counts: [Int]

  /// One thread.
  init() { counts = [1] }

  package init?(argument: String) {
    var counts: [Int] = []
    for text in argument.split(separator: ",", omittingEmptySubsequences: false) {
      guard let count = Int(text), (1...1024).contains(count) else { return nil }
      if !counts.contains(count) { counts.append(count) }
    }
    self.counts = counts
  }

  package var defaultValueDescription: String { text }

  var text: String { counts.map(String.init).joined(separator: ",") }
}
