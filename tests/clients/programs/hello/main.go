// Command hello is what ko makes an image of.
package main

func main() { println("hello") }
