/// The numbers of models in a transaction.
extension ModelRules {
  /// What is wrong with a number that an option gives; nil when it is fine, or not given.
  static func problem(withNumber number: UInt64, of model: String) -> String? {
    guard number >= 1 << 29 || (19_000...19_999).contains(number) else { return nil }
    return
      "the number \(number) of model \(model) cannot be one of a field: give one from 1 to 536870911, and none from "
      + "19000 to 19999"
  }

  /// Two models must not have the same one.
  mutating func checkTransactionNumbers() {
    var owners: [UInt32: Candidate] = [:]
    for model in models {
      guard let other = owners.updateValue(model, forKey: model.transactionNumber) else { continue }
      report(
        Self.nameOfMessage(model.index),
        "models \(model.name) and \(other.name)\(Self.place(positions, Self.nameOfMessage(other.index))) have the "
          + "same number \(model.transactionNumber) in a transaction: give one of them another one (option "
          + "(seandb.model) = {number: 1})")
    }
  }
}
