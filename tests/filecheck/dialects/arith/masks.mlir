// RUN: %roundtrip

// CHECK-LABEL: func.func @vectors
func.func @vectors(%x: vector<8xf32>, %i: vector<8xi32>) {
  // CHECK-NEXT: %m = arith.cmpf ogt, %x, %x : vector<8xf32>
  %m = arith.cmpf ogt, %x, %x : vector<8xf32>
  // CHECK-NEXT: %n = arith.cmpi slt, %i, %i : vector<8xi32>
  %n = arith.cmpi slt, %i, %i : vector<8xi32>
  // CHECK-NEXT: %s = arith.select %m, %x, %x : vector<8xi1>, vector<8xf32>
  %s = arith.select %m, %x, %x : vector<8xi1>, vector<8xf32>
  // CHECK-NEXT: %f = arith.sitofp %i : vector<8xi32> to vector<8xf32>
  %f = arith.sitofp %i : vector<8xi32> to vector<8xf32>
  // CHECK-NEXT: %t = arith.fptosi %x : vector<8xf32> to vector<8xi32>
  %t = arith.fptosi %x : vector<8xf32> to vector<8xi32>
  // CHECK-NEXT: %u = arith.extui %n : vector<8xi1> to vector<8xi32>
  %u = arith.extui %n : vector<8xi1> to vector<8xi32>
  // CHECK-NEXT: func.return
  func.return
}

// CHECK-LABEL: func.func @scalars
func.func @scalars(%x: f32, %i: index, %v: vector<8xf32>) {
  // CHECK-NEXT: %m = arith.cmpf une, %x, %x : f32
  %m = arith.cmpf une, %x, %x : f32
  // CHECK-NEXT: %n = arith.cmpi ult, %i, %i : index
  %n = arith.cmpi ult, %i, %i : index
  // CHECK-NEXT: %s = arith.select %m, %x, %x : f32
  %s = arith.select %m, %x, %x : f32
  // CHECK-NEXT: %w = arith.select %n, %v, %v : vector<8xf32>
  %w = arith.select %n, %v, %v : vector<8xf32>
  // CHECK-NEXT: func.return
  func.return
}
