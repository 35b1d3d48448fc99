module hobbench

go 1.23
