module rapport

go 1.26.0
