import Access
import Schema
import Wire

/// What each method of a server asks of its callers, by the method's index.
struct MethodRights: Sendable {
  enum Right: Equatable {
    /// Nothing: health.
    case none
    /// To be somebody: reflection, and what looks at the rights of its caller itself.
    case identity
    case model(Int, AccessAction)
    /// Everything: a method that no rule could name.
    case admin
  }

  private let rights: [Right]
  /// The bit of a `model`, else -1: what the way of a call looks at.
  private let bits: [Int32]

  /// - Parameter models: in the order of the policy.
  init(_ methods: [CallMethod], service: String, models: [Model]) {
    var byPath: [String: Right] = [:]
    for (index, model) in models.enumerated() {
      for (method, action) in Self.actions(of: model) {
        byPath["/\(service)/\(method)"] = .model(index, action)
      }
      byPath["/\(service)/\(model.writeMethod)"] = .identity
    }
    byPath["/\(service)/\(CompiledSchema.transactMethod)"] = .identity
    rights = methods.map { method in
      if method.path.hasPrefix("/" + HealthService.serviceName + "/") { return .none }
      if ReflectionService.serviceNames.contains(where: { method.path.hasPrefix("/\($0)/") }) {
        return .identity
      }
      return byPath[method.path] ?? .admin
    }
    bits = rights.map {
      if case .model(let model, let action) = $0 { Int32(action.bit(ofModel: model)) } else { -1 }
    }
  }

  /// The methods of a model, and what each of them does with it.
  static func actions(of model: Model) -> [(method: String, action: AccessAction)] {
    let plural = model.pluralName
    let watch = model.watch == nil ? [] : [(method: model.watchMethod, action: AccessAction.read)]
    return watch + [
      (model.getMethod, .read), (model.getOneMethod, .read), (model.streamMethod, .read),
      (model.deleteMethod, .delete), (model.putMethod, .write), (model.batchPutMethod, .write),
    ]
      + model.indexes.flatMap { index -> [(method: String, action: AccessAction)] in
        let reads = [index.getMethod(plural: plural), index.streamMethod(plural: plural)]
        return reads.map { ($0, .read) }
          + (index.isUnique ? [(index.deleteMethod(plural: plural), .delete)] : [])
      }
  }

  subscript(method: Int) -> Right { rights[method] }

  /// The bit of the right to call a method; -1 when it is no right on a model.
  @inline(__always)
  func bit(_ method: Int) -> Int { Int(bits[method]) }
}
