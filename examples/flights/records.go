package main

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"time"

	"github.com/dovetail-dev/dovetail/examples/flights/quakepb"
)

// Where the records come from is told in data/README.md.

//go:embed data/flights.csv.gz
var flightsCSV []byte

//go:embed data/earthquakes.csv.gz
var earthquakesCSV []byte

//go:embed schemas/flight.v1.avsc
var flightV1 string

//go:embed schemas/flight.v2.avsc
var flightV2 string

//go:embed schemas/flight.v3-refused.avsc
var flightV3 string

//go:embed schemas/earthquake.proto
var earthquakeProto string

// Flight is version 1 of the schema in Go.
type Flight struct {
	Scheduled   time.Time `avro:"scheduled"`
	Delay       int32     `avro:"delay_minutes"`
	Distance    int32     `avro:"distance_miles"`
	Origin      string    `avro:"origin"`
	Destination string    `avro:"destination"`
}

// FlightWithLate is version 2: one more field, with a default.
type FlightWithLate struct {
	Scheduled   time.Time `avro:"scheduled"`
	Delay       int32     `avro:"delay_minutes"`
	Distance    int32     `avro:"distance_miles"`
	Origin      string    `avro:"origin"`
	Destination string    `avro:"destination"`
	Late        *bool     `avro:"late"`
}

func (f Flight) withLate() FlightWithLate {
	late := f.Delay >= 15
	return FlightWithLate{f.Scheduled, f.Delay, f.Distance, f.Origin, f.Destination, &late}
}

func readFlights() ([]Flight, error) {
	rows, err := readCSV(flightsCSV)
	if err != nil {
		return nil, err
	}
	flights := make([]Flight, len(rows))
	for i, row := range rows {
		scheduled, err1 := time.Parse("2006/01/02 15:04", row[0])
		delay, err2 := strconv.ParseInt(row[1], 10, 32)
		distance, err3 := strconv.ParseInt(row[2], 10, 32)
		if err1 != nil || err2 != nil || err3 != nil {
			return nil, fmt.Errorf("flights: row %d: %q", i+2, row)
		}
		flights[i] = Flight{scheduled, int32(delay), int32(distance), row[3], row[4]}
	}
	return flights, nil
}

func readEarthquakes() ([]*quakepb.Earthquake, error) {
	rows, err := readCSV(earthquakesCSV)
	if err != nil {
		return nil, err
	}
	quakes := make([]*quakepb.Earthquake, len(rows))
	for i, row := range rows {
		var numbers [5]float64 // time, magnitude, depth, longitude, latitude
		for n, column := range []int{1, 2, 4, 5, 6} {
			if numbers[n], err = strconv.ParseFloat(row[column], 64); err != nil {
				return nil, fmt.Errorf("earthquakes: row %d: %w", i+2, err)
			}
		}
		quakes[i] = &quakepb.Earthquake{
			Id: row[0], TimeMs: int64(numbers[0]), Magnitude: numbers[1], MagnitudeType: row[3],
			Hypocenter: &quakepb.Earthquake_Hypocenter{DepthKm: numbers[2], Longitude: numbers[3], Latitude: numbers[4]},
			Place:      row[7], Network: row[8], Tsunami: row[9] == "1",
		}
	}
	return quakes, nil
}

// readCSV returns the rows below the header.
func readCSV(gz []byte) ([][]string, error) {
	r, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, err
	}
	return rows[1:], nil
}
