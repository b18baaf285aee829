/// Where something is in a text file; both count from 1.
package struct SourcePlace: Equatable, Sendable {
  /// The line.
  package let line: Int
  /// In characters.
  package let column: Int
}

/// What is wrong at one place of an access file, and what to do about it.
package struct AccessProblem: Error, Equatable, Sendable {
  /// Where it begins.
  package let place: SourcePlace
  /// For a person. Never has a part of a token or of its hash.
  package let sentence: String

  init(_ place: SourcePlace, _ sentence: String) {
    self.place = place
    self.sentence = sentence
  }
}
