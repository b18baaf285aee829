/// A message of the schema whose records are stored: one with a `string pk`, or with a key that its options name.
package struct Model: Sendable, Equatable {
  /// As in the schema: `Dog`.
  package let name: String
  /// With its package: `database.Dog`.
  package let fullName: String
  /// The message that holds several records: `Dogs`.
  package let pluralName: String
  /// The one field of that message: `dogs`.
  package let listField: String
  /// What its records are named by.
  package let key: ModelKey
  /// By which its records are found beside that; in the order of the schema.
  package let indexes: [ModelIndex]
  /// The field that says when a record ends; nil: none does.
  package let expiry: Column?
  /// What is kept of its changes; nil for nothing.
  package let watch: WatchOption?
  /// With its package, what the model was called before; nil when the schema says nothing of it.
  package let previousFullName: String?
  /// The number of its field in `Transaction.Write`.
  package let transactionNumber: UInt32
  /// The model's message in ``CompiledSchema/recordPlan``.
  package let messageIndex: Int
  /// The message that holds several records, in the same plan.
  package let listMessageIndex: Int

  /// ``indexes``, then the one by which records are found that have ended, if they can.
  package var storedIndexes: [ModelIndex] {
    indexes + (expiry.map { [ModelIndex(expiry: $0)] } ?? [])
  }

  /// Whether the key is one string as it is, which an `IndexQuery` asks for. Else a ``queryMessage`` of its own does.
  package var hasPlainKey: Bool { key.isPlain }
  /// The number of the field that is the key, when it is plain: of the first column.
  package var keyFieldNumber: Int { Int(key.columns[0].number) }
  /// What its queries are: `IndexQuery`, `Dogs.ByPk`.
  package var queryMessage: String {
    hasPlainKey ? ModelNames.query : "\(pluralName).\(ModelNames.byPk)"
  }

  /// `GetDogsByPk`
  package var getMethod: String { ModelNames.getMethod(plural: pluralName) }
  /// `GetDog`
  package var getOneMethod: String { ModelNames.getOneMethod(name: name) }
  /// `StreamDogsByPk`
  package var streamMethod: String { ModelNames.streamMethod(plural: pluralName) }
  /// `DeleteDogsByPk`
  package var deleteMethod: String { ModelNames.deleteMethod(plural: pluralName) }
  /// `PutDog`
  package var putMethod: String { ModelNames.putMethod(name: name) }
  /// `BatchPutDogs`
  package var batchPutMethod: String { ModelNames.batchPutMethod(plural: pluralName) }
  /// `WatchDogs`, when there is a ``watch``.
  package var watchMethod: String { ModelNames.watchMethod(plural: pluralName) }
  /// `WriteDog`
  package var writeMethod: String { ModelNames.writeMethod(name: name) }
}
