/// A message of the schema whose records are stored: one with a `string pk`.
package struct Model: Sendable, Equatable {
  /// As in the schema: `Dog`.
  package let name: String
  /// With its package: `database.Dog`.
  package let fullName: String
  /// The message that holds several records: `Dogs`.
  package let pluralName: String
  /// The one field of that message: `dogs`.
  package let listField: String
  /// The number of the field `pk`.
  package let keyFieldNumber: Int
  /// The model's message in ``CompiledSchema/recordPlan``.
  package let messageIndex: Int
  /// The message that holds several records, in the same plan.
  package let listMessageIndex: Int

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
}
