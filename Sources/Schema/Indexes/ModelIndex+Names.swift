/// What is generated for an index.
extension ModelIndex {
  /// What its methods end with: `BreedAge`.
  var methodName: String { ModelNames.camelCase(name) }

  /// The message in the list message that chooses records by it: `ByBreedAge`.
  package var queryMessage: String { "By\(methodName)" }

  /// `GetDogsByBreedAge`
  ///
  /// - Parameter plural: of the model, as in the other methods.
  package func getMethod(plural: String) -> String { "Get\(plural)\(queryMessage)" }

  /// `StreamDogsByBreedAge`
  ///
  /// - Parameter plural: of the model, as in the other methods.
  package func streamMethod(plural: String) -> String { "Stream\(plural)\(queryMessage)" }

  /// `DeleteDogsByBreedAge`, which there is for a unique index alone.
  ///
  /// - Parameter plural: of the model, as in the other methods.
  package func deleteMethod(plural: String) -> String { "Delete\(plural)\(queryMessage)" }

  /// Those that there are.
  func methods(plural: String) -> [String] {
    [getMethod(plural: plural), streamMethod(plural: plural)]
      + (isUnique ? [deleteMethod(plural: plural)] : [])
  }
}
