import Access
import Schema
package import Wire

/// Who may do something with a model, be it only to watch it, learns of it by reflection.
extension AccessControl: ReflectionAudience {
  package var methodGroups: [[String]] {
    models.map { model in
      (MethodRights.actions(of: model).map(\.method) + [model.writeMethod])
        .map { "\(service).\($0)" }
    }
  }

  package func viewer(_ context: CallContext) -> @Sendable () -> [Bool] {
    let number = number(of: context, policy)
    return { [self] in policy.permittedModels(number) }
  }
}
