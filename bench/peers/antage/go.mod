module fairwind-bench-antage

go 1.19
