package fleet

// city is a place where sites are.
type city struct {
	code, name, country, region string
	lat, lng                    float64
}

var cities = []city{
	{"fra", "Frankfurt", "DE", "eu-central", 50.11, 8.68}, {"ber", "Berlin", "DE", "eu-central", 52.52, 13.40},
	{"muc", "Munich", "DE", "eu-central", 48.14, 11.58}, {"vie", "Vienna", "AT", "eu-central", 48.21, 16.37},
	{"zrh", "Zurich", "CH", "eu-central", 47.37, 8.54}, {"waw", "Warsaw", "PL", "eu-east", 52.23, 21.01},
	{"prg", "Prague", "CZ", "eu-east", 50.08, 14.44}, {"bud", "Budapest", "HU", "eu-east", 47.50, 19.04},
	{"ams", "Amsterdam", "NL", "eu-west", 52.37, 4.90}, {"lon", "London", "GB", "eu-west", 51.51, -0.13},
	{"dub", "Dublin", "IE", "eu-west", 53.35, -6.26}, {"par", "Paris", "FR", "eu-west", 48.86, 2.35},
	{"bru", "Brussels", "BE", "eu-west", 50.85, 4.35}, {"mad", "Madrid", "ES", "eu-south", 40.42, -3.70},
	{"bcn", "Barcelona", "ES", "eu-south", 41.39, 2.17}, {"mil", "Milan", "IT", "eu-south", 45.46, 9.19},
	{"rom", "Rome", "IT", "eu-south", 41.90, 12.50}, {"lis", "Lisbon", "PT", "eu-south", 38.72, -9.14},
	{"sto", "Stockholm", "SE", "eu-north", 59.33, 18.07}, {"osl", "Oslo", "NO", "eu-north", 59.91, 10.75},
	{"cph", "Copenhagen", "DK", "eu-north", 55.68, 12.57}, {"hel", "Helsinki", "FI", "eu-north", 60.17, 24.94},
	{"nyc", "New York", "US", "us-east", 40.71, -74.01}, {"iad", "Ashburn", "US", "us-east", 39.04, -77.49},
	{"bos", "Boston", "US", "us-east", 42.36, -71.06}, {"atl", "Atlanta", "US", "us-east", 33.75, -84.39},
	{"mia", "Miami", "US", "us-east", 25.76, -80.19}, {"ord", "Chicago", "US", "us-central", 41.88, -87.63},
	{"dfw", "Dallas", "US", "us-central", 32.78, -96.80}, {"hou", "Houston", "US", "us-central", 29.76, -95.37},
	{"den", "Denver", "US", "us-central", 39.74, -104.99}, {"sea", "Seattle", "US", "us-west", 47.61, -122.33},
	{"pdx", "Portland", "US", "us-west", 45.52, -122.68}, {"sfo", "San Francisco", "US", "us-west", 37.77, -122.42},
	{"lax", "Los Angeles", "US", "us-west", 34.05, -118.24}, {"phx", "Phoenix", "US", "us-west", 33.45, -112.07},
	{"yyz", "Toronto", "CA", "ca-central", 43.65, -79.38}, {"yul", "Montreal", "CA", "ca-central", 45.50, -73.57},
	{"yvr", "Vancouver", "CA", "ca-central", 49.28, -123.12}, {"gru", "Sao Paulo", "BR", "sa-east", -23.55, -46.63},
	{"gig", "Rio de Janeiro", "BR", "sa-east", -22.91, -43.17}, {"eze", "Buenos Aires", "AR", "sa-east", -34.60, -58.38},
	{"scl", "Santiago", "CL", "sa-east", -33.45, -70.67}, {"hnd", "Tokyo", "JP", "ap-northeast", 35.68, 139.69},
	{"kix", "Osaka", "JP", "ap-northeast", 34.69, 135.50}, {"icn", "Seoul", "KR", "ap-northeast", 37.57, 126.98},
	{"hkg", "Hong Kong", "HK", "ap-northeast", 22.32, 114.17}, {"sin", "Singapore", "SG", "ap-southeast", 1.35, 103.82},
	{"cgk", "Jakarta", "ID", "ap-southeast", -6.21, 106.85}, {"bkk", "Bangkok", "TH", "ap-southeast", 13.76, 100.50},
	{"syd", "Sydney", "AU", "ap-southeast", -33.87, 151.21}, {"mel", "Melbourne", "AU", "ap-southeast", -37.81, 144.96},
	{"akl", "Auckland", "NZ", "ap-southeast", -36.85, 174.76}, {"bom", "Mumbai", "IN", "ap-south", 19.08, 72.88},
	{"blr", "Bengaluru", "IN", "ap-south", 12.97, 77.59}, {"maa", "Chennai", "IN", "ap-south", 13.08, 80.27},
	{"dxb", "Dubai", "AE", "me-central", 25.20, 55.27}, {"ruh", "Riyadh", "SA", "me-central", 24.71, 46.68},
	{"jnb", "Johannesburg", "ZA", "af-south", -26.20, 28.05}, {"nbo", "Nairobi", "KE", "af-south", -1.29, 36.82},
}
