/// Says which methods a caller of reflection may know of. The methods are in groups, one for each model of a database.
///
/// Thread-safety: asked on every event loop.
package protocol ReflectionAudience: Sendable {
  /// Full names of methods, by group: `database.Database.GetDog`. All of one file; a method that is in no group is
  /// shown to those who may see all groups.
  var methodGroups: [[String]] { get }

  /// Tells of a stream that begins. To be called during the handler's call, as ``CallContext/caller`` is.
  ///
  /// - Returns: what says for each group whether it is shown to the caller, now; asked for each request.
  func viewer(_ context: CallContext) -> @Sendable () -> [Bool]
}
