// RUN: nnc-opt %s -p 'canonicalize,cse,dce' | filecheck %s

// CHECK-LABEL: func.func @twice
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %x, %x : f32
// CHECK-NEXT:    %[[PRODUCT:.*]] = arith.mulf %[[SUM]], %[[SUM]] : f32
// CHECK-NEXT:    func.return %[[PRODUCT]] : f32
func.func @twice(%x: f32) -> f32 {
  %a = arith.addf %x, %x : f32
  %b = arith.addf %x, %x : f32
  %c = arith.mulf %a, %b : f32
  %unused = arith.subf %a, %b : f32
  func.return %c : f32
}
