import Testing
import seandb_bench

@Suite("Schemas with indexes")
struct DogIndexesTests {
  /// What all other benchmarks measure stays the same.
  @Test func areTheSeedsWithoutThem() {
    #expect(
      DogIndexes.none.schema(hasGroups: false) == """
        syntax = "proto3";
        package database;

        message Dog {
          string pk = 1;
          string name = 2;
          uint32 age = 3;
          string breed = 4;
        }

        """)
  }

  @Test func haveAnOptionForEach() {
    #expect(
      DogIndexes.three.schema(hasGroups: true) == """
        syntax = "proto3";
        package database;
        import "seandb/options.proto";

        message Dog {
          option (seandb.model) = {
            index: {fields: "breed"}
            index: {fields: "chip"}
            index: {fields: "age, breed"}
          };
          string pk = 1;
          string name = 2;
          uint32 age = 3;
          string breed = 4;
          string chip = 5;
        }

        """)
  }

  /// A model with indexes is compared with one that has the same fields.
  @Test func haveTheSameFieldsInAllOfARun() {
    let fields = Set(
      DogIndexes.allCases.map { indexes in
        indexes.schema(hasGroups: true).split(separator: "\n").filter { $0.hasPrefix("  string") }
      })
    #expect(fields.count == 1)
  }

  @Test func allowToAskByThem() {
    #expect(!DogIndexes.none.operations.contains(.indexGet))
    #expect(DogIndexes.one.operations.contains(.indexGet))
    #expect(!DogIndexes.three.operations.contains(.uniqueGet))
    #expect(DogIndexes.covered.operations.contains(.uniqueGet))
    for indexes in DogIndexes.allCases {
      #expect(indexes.operations.isSuperset(of: DogIndexes.none.operations))
    }
  }
}
