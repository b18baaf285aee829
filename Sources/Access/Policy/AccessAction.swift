/// What a role may do with the records of a model.
package enum AccessAction: Int, CaseIterable, Sendable {
  case read, write, delete, watch

  /// As it is in an access file and in a refusal.
  package var name: String { "\(self)" }

  /// The bit of a right: which action, on which of the models, counted from 0.
  package func bit(ofModel model: Int) -> Int { model * Self.allCases.count + rawValue }
}

/// A model as rules name it.
package struct AccessModel: Sendable {
  /// `Dog`
  package let name: String
  /// `database.Dog`
  package let fullName: String

  package init(name: String, fullName: String) {
    self.name = name
    self.fullName = fullName
  }
}
